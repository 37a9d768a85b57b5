//! The benchmark's one-thread form, where each input depends on earlier hashes.
//!
//! With S(k) the sum of the hashes of the nonces 0 to k, the first eight bytes of the blob of nonce n are those
//! of nonce n-1 XOR S(n-2); those of the nonces 0 and 1 are zeros. So no nonce can be skipped or done by
//! another thread, and the next input is known just when a machine that works one input ahead wants it.

use std::sync::mpsc::Sender;

use rminer_algos::Hash;

use super::measure::{Shared, Told};
use super::work;
use crate::devices::DeviceError;
use crate::devices::cpu::randomx::RandomxSetup;

/// Hashes between two reports.
const REPORT: u64 = 16;

pub(super) fn hash(setup: &RandomxSetup, shared: &Shared, tell: &Sender<Told>) -> Result<(), DeviceError> {
    let worker = setup.worker(0)?;
    worker.load(&work::SEED, shared.interrupt())?;
    let _ = tell.send(Told::Ready);
    if !shared.wait_for_start() {
        return Ok(());
    }
    let mut machine = worker.machine();
    let vm = &mut machine.as_mut().ok_or_else(|| DeviceError::Lost("the machine is gone".into()))?.vm;
    let mut chain = Chain::new(shared.work().blob());
    let (mut hashes, mut sum) = (0, 0);
    vm.first(&[chain.input()]);
    for nonce in 1..=shared.end() {
        if shared.interrupt().is_set() {
            break;
        }
        let write = |blob: &mut [u8]| shared.work().write_nonce(blob, nonce);
        let step = if nonce < shared.end() { vm.next(&[chain.next(write)]) } else { vm.last() };
        let hash = step.first().ok_or_else(|| DeviceError::Lost("the machine forgot its input".into()))?;
        chain.add(hash);
        (hashes, sum) = (hashes + 1, sum ^ work::value(hash));
        if nonce == 1 || hashes == REPORT || nonce == shared.end() {
            shared.count(hashes, sum);
            (hashes, sum) = (0, 0);
        }
    }
    Ok(())
}

/// The inputs of the chain.
struct Chain {
    blob: Box<[u8]>,
    /// Sum of all hashes added.
    sum: u64,
}

impl Chain {
    fn new(blob: &[u8]) -> Self {
        Self { blob: blob.into(), sum: 0 }
    }

    fn input(&self) -> &[u8] {
        &self.blob
    }

    /// The input of the next nonce, when the hashes of all but the nonce before it have been added.
    fn next(&mut self, write_nonce: impl FnOnce(&mut [u8])) -> &[u8] {
        for (byte, sum) in self.blob.iter_mut().zip(self.sum.to_le_bytes()) {
            *byte ^= sum;
        }
        write_nonce(&mut self.blob);
        &self.blob
    }

    fn add(&mut self, hash: &Hash) {
        self.sum ^= work::value(hash);
    }
}
