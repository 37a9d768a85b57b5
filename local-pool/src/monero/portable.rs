//! Who recomputes shares of RandomX.
//!
//! Version 1 is recomputed by the C library, which has nothing in common with what miners here hash with. It does not
//! know version 2, so that is recomputed by our own engine, and as far from the miner's way as that can be: its
//! interpreter, AES by tables and the plain way to dataset items, where the miner compiles and uses the processor's
//! instructions. What both share (the generators of programs, Argon2, Blake2b) is held against published hashes by the
//! engine's own tests.

use std::sync::Arc;

use rminer_algos::randomx::LightReference;
use rminer_algos::{Hash, Reference, Unavailable, Variant, Work};
use rminer_randomx::aes::Aes;
use rminer_randomx::config::{RX_0, RX_2};
use rminer_randomx::{Cache, Config, Engine, Error, Options, Pages, Vm};

/// Hashes by the interpreter over a cache of its own (256 MiB), which is taken at the first hash.
#[derive(Debug, Default)]
pub struct PortableReference {
    vm: Option<Vm>,
}

impl PortableReference {
    /// Hash of `input` under `key`.
    ///
    /// # Errors
    /// When memory is missing.
    pub fn hash_with_key(&mut self, variant: Variant, key: &[u8], input: &[u8]) -> Result<Hash, Error> {
        let config = match variant {
            Variant::V1 => &RX_0,
            Variant::V2 => &RX_2,
        };
        let mut vm = match self.vm.take().filter(|vm| vm.key() == Some(key)) {
            Some(vm) => vm,
            None => machine(config, key)?,
        };
        vm.set_config(config)?;
        let hash = Hash(vm.hash(input));
        self.vm = Some(vm);
        Ok(hash)
    }
}

/// A machine for `key`. The one before, with its cache, is gone by then.
fn machine(config: &'static Config, key: &[u8]) -> Result<Vm, Error> {
    let mut cache = Cache::allocate(config, Pages::Normal)?;
    cache.init(key);
    let options = Options { engine: Engine::Interpreter, aes: Aes::Soft, ..Options::detect(config) };
    Vm::light(options, Arc::new(cache))
}

impl Reference for PortableReference {
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable> {
        let seed = work.seed().ok_or_else(|| Unavailable("RandomX work without a seed".into()))?;
        self.hash_with_key(work.variant(), seed, &work.blob_with(nonce))
            .map_err(|fault| Unavailable(fault.to_string()))
    }
}

/// Version 1 by the C library, version 2 by [`PortableReference`].
#[derive(Debug, Default)]
pub struct BothReferences {
    first: LightReference,
    second: PortableReference,
}

impl Reference for BothReferences {
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable> {
        match work.variant() {
            Variant::V1 => self.first.hash(work, nonce),
            Variant::V2 => self.second.hash(work, nonce),
        }
    }
}

#[cfg(test)]
mod tests {
    use rminer_algos::registry::{RANDOMX, RANDOMX_V2};
    use rminer_algos::{decode_hex, decode_hex_array};

    use super::*;

    /// Published hashes, one version after the other with the keys in turns.
    #[test]
    fn both_versions_conform() {
        let mut engine = PortableReference::default();
        let files = [RANDOMX, RANDOMX_V2]
            .map(|known| (known.variant, serde_json::from_str::<serde_json::Value>(known.vectors).unwrap()));
        for row in [0, 1, 3] {
            for (variant, file) in &files {
                let text = |name: &str| file["hashes"][row][name].as_str().unwrap().to_owned();
                let (key, input) = (decode_hex(&text("key")).unwrap(), decode_hex(&text("input")).unwrap());
                let hash = engine.hash_with_key(*variant, &key, &input).unwrap();
                assert_eq!(hash.0, decode_hex_array::<32>(&text("hash")).unwrap(), "{variant:?} {row}");
            }
        }
    }
}
