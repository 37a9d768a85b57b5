//! The virtual machine: what hashes (specs 2). One for each thread.

use std::fmt;
use std::sync::Arc;

use crate::aes::Aes;
use crate::dataset::Dataset;
use crate::float::Rounding;
use crate::interpreter::{Interpreter, State, finish, hash_512};
use crate::program::{Program, Settings};
use crate::registers::Registers;
use crate::{Cache, CodeMode, Config, Error, Memory, Pages};

/// Inputs that a machine can hash at once.
pub const MAX_LANES: usize = 3;

/// Inputs that a machine of [`Vm::light_many`] can hash at once.
pub const MAX_LIGHT_LANES: usize = 64;

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// What runs programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// One instruction after the other, on any processor.
    Interpreter,
    /// Programs are compiled to the processor's own instructions.
    Jit,
}

impl Engine {
    /// Those that this processor and system can run, the best one last. There is always the interpreter.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Interpreter, Self::Jit].into_iter().filter(|engine| engine.is_available())
    }

    /// Whether this processor and system can run it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Interpreter => true,
            Self::Jit => compiler_is_available(),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interpreter => "interpreter",
            Self::Jit => "compiler",
        })
    }
}

/// How a machine is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What it computes; that of the cache or dataset, or one that shares it.
    pub config: &'static Config,
    /// Pages of scratchpads and code.
    pub pages: Pages,
    /// What runs its programs.
    pub engine: Engine,
    /// How rounds of AES are computed.
    pub aes: Aes,
    /// Inputs that it hashes at once, 1 to [`MAX_LANES`].
    pub lanes: usize,
    /// How compiled code gets to where it runs.
    pub code: CodeMode,
}

impl Options {
    /// The best that this processor and system have, with one lane and normal pages.
    pub fn detect(config: &'static Config) -> Self {
        Self {
            config,
            pages: Pages::Normal,
            engine: Engine::available().last().unwrap_or(Engine::Interpreter),
            aes: Aes::detect(),
            lanes: 1,
            code: CodeMode::detect().unwrap_or(CodeMode::Open),
        }
    }
}

/// Where a machine has its dataset items from. Both hold a key.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// They are made as they are needed.
    Light(Arc<Cache>),
    /// They lie in memory.
    Fast(Arc<Dataset>),
}

impl Source {
    fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Light(cache) => cache.key(),
            Self::Fast(dataset) => dataset.key(),
        }
    }

    fn config(&self) -> &'static Config {
        match self {
            Self::Light(cache) => cache.config(),
            Self::Fast(dataset) => dataset.config(),
        }
    }

    /// One item; zeroes behind the last, which no program reaches.
    pub(crate) fn item(&self, number: u64) -> [u64; 8] {
        match self {
            Self::Light(cache) => cache.item(number),
            Self::Fast(dataset) => {
                let mut words = [0; 8];
                let bytes = dataset.item(number).map_or(&[][..], |item| item.as_chunks::<8>().0);
                for (word, bytes) in words.iter_mut().zip(bytes) {
                    *word = u64::from_le_bytes(*bytes);
                }
                words
            }
        }
    }
}

/// What one input is hashed with.
#[derive(Debug)]
pub(crate) struct Lane {
    /// [`Config::scratchpad_l3_bytes`] bytes at least.
    pub(crate) scratchpad: Memory,
    /// What the program leaves; what it finds there has no meaning, but for the rounding mode beside it.
    pub(crate) registers: Registers,
    /// Register `fprc`, which lasts from program to program.
    pub(crate) rounding: Rounding,
    /// The program to run.
    pub(crate) program: Program,
    /// Its settings.
    pub(crate) settings: Settings,
    /// State of the generators.
    seed: [u8; 64],
}

/// An engine at work.
pub(crate) trait Machine: fmt::Debug + Send {
    /// Runs the program of each lane, from settings and scratchpad to registers, scratchpad and rounding mode
    /// (specs 4.6). There are never more lanes than the machine was made for. The floating-point environment is
    /// afterwards as it was.
    fn run(&mut self, lanes: &mut [Lane], source: &Source);
}

/// The interpreter as an engine.
#[derive(Debug)]
struct Interpreted {
    interpreter: Interpreter,
    aes: Aes,
}

impl Machine for Interpreted {
    fn run(&mut self, lanes: &mut [Lane], source: &Source) {
        for lane in lanes {
            let Lane { scratchpad, registers, rounding, program, settings, .. } = lane;
            let state = State { scratchpad, registers, rounding };
            self.interpreter.run(program, settings, state, self.aes, |number| source.item(number));
        }
    }
}

/// An engine for these options and this source; `is_lockstep` is what [`Vm::light_many`] asks for.
fn machine(options: &Options, source: &Source, is_lockstep: bool) -> Result<Box<dyn Machine>, Error> {
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (source, is_lockstep);
    match options.engine {
        Engine::Interpreter => {
            Ok(Box::new(Interpreted { interpreter: Interpreter::new(options.config), aes: options.aes }))
        }
        #[cfg(target_arch = "x86_64")]
        Engine::Jit => Ok(match source {
            Source::Light(cache) if is_lockstep => {
                Box::new(crate::x86::Lockstep::new(options, Arc::clone(cache), options.lanes)?)
            }
            Source::Light(cache) => Box::new(crate::x86::Compiler::new(options, Some(cache))?),
            Source::Fast(_) => Box::new(crate::x86::Compiler::new(options, None)?),
        }),
        #[cfg(not(target_arch = "x86_64"))]
        Engine::Jit => Err(Error::Unsupported {
            what: "a compiler of RandomX programs",
            reason: "there is none for this processor",
        }),
    }
}

/// Whether there is a compiler for this processor, and the system lets its code run.
fn compiler_is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    let is_supported = crate::x86::is_supported();
    #[cfg(not(target_arch = "x86_64"))]
    let is_supported = false;
    is_supported && CodeMode::detect().is_ok()
}

/// A machine for one key.
///
/// It hashes as many inputs at once as it has lanes, and takes them one step ahead: [`Vm::first`], then [`Vm::next`]
/// again and again, then [`Vm::last`]. So one pass over a scratchpad ends a hash and begins the next.
#[derive(Debug)]
pub struct Vm {
    options: Options,
    source: Source,
    /// Whether lanes take each iteration together ([`Vm::light_many`]).
    is_lockstep: bool,
    machine: Box<dyn Machine>,
    lanes: Vec<Lane>,
    /// Bytes of a program, fresh from the generator.
    generated: Vec<u8>,
    /// Lanes whose scratchpad is filled for an input that has no hash yet.
    begun: usize,
}

impl Vm {
    /// A machine over a complete dataset.
    ///
    /// # Errors
    /// Those of [`Vm::light`]; [`Error::NoKey`] when the dataset is not complete.
    pub fn fast(options: Options, dataset: Arc<Dataset>) -> Result<Self, Error> {
        Self::new(options, Source::Fast(dataset))
    }

    /// A machine that makes each dataset item as it needs it: 256 MiB instead of 2 GiB, many times slower.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the cache holds no key, [`Error::Config`] when it is of another kin,
    /// [`Error::Unsupported`] for an engine or a number of lanes that cannot be had, and [`Error::Memory`].
    pub fn light(options: Options, cache: Arc<Cache>) -> Result<Self, Error> {
        Self::new(options, Source::Light(cache))
    }

    /// A light machine of many lanes, up to [`MAX_LIGHT_LANES`]: for pools and proxies, which have many hashes to
    /// check. The lanes take each iteration together, and their dataset items are made together. Each lane has a
    /// scratchpad of its own. `options.lanes` does not count.
    ///
    /// # Errors
    /// Those of [`Vm::light`].
    pub fn light_many(options: Options, cache: Arc<Cache>, lanes: usize) -> Result<Self, Error> {
        if !(1..=MAX_LIGHT_LANES).contains(&lanes) {
            return Err(Error::Unsupported {
                what: "a light RandomX machine of so many lanes",
                reason: "such machines have one to sixty-four",
            });
        }
        Self::of(Options { lanes, ..options }, Source::Light(cache), true)
    }

    fn new(options: Options, source: Source) -> Result<Self, Error> {
        if !(1..=MAX_LANES).contains(&options.lanes) {
            return Err(Error::Unsupported {
                what: "a RandomX machine of so many lanes",
                reason: "machines have one to three",
            });
        }
        Self::of(options, source, false)
    }

    fn of(options: Options, source: Source, is_lockstep: bool) -> Result<Self, Error> {
        source.key().ok_or(Error::NoKey)?;
        serves(&source, options.config)?;
        let machine = machine(&options, &source, is_lockstep)?;
        let lanes = (0..options.lanes).map(|_| Lane::new(&options)).collect::<Result<_, _>>()?;
        let generated = vec![0; options.config.program_bytes()];
        Ok(Self { options, source, is_lockstep, machine, lanes, generated, begun: 0 })
    }

    /// The key whose hashes this machine computes.
    pub fn key(&self) -> Option<&[u8]> {
        self.source.key()
    }

    /// How it was made; the configuration may have been changed since.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Inputs that it hashes at once.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Computes by another configuration over the same dataset: version 1 or 2. Forgets inputs given to
    /// [`Vm::first`]. Scratchpads are kept, because where memory is short there are no others.
    ///
    /// # Errors
    /// [`Error::Config`] when dataset, cache or scratchpads are another kin's, and what [`Vm::light`] can return; then
    /// nothing has changed.
    pub fn set_config(&mut self, config: &'static Config) -> Result<(), Error> {
        let before = self.options.config;
        if !std::ptr::eq(config, before) {
            serves(&self.source, config)?;
            if config.scratchpad_l3_bytes != before.scratchpad_l3_bytes {
                return Err(Error::Config { memory: before.name, machine: config.name });
            }
            let options = Options { config, ..self.options };
            self.machine = machine(&options, &self.source, self.is_lockstep)?;
            self.options = options;
            self.generated = vec![0; config.program_bytes()];
            for lane in &mut self.lanes {
                lane.program = Program::new(config);
            }
        }
        self.begun = 0;
        Ok(())
    }

    /// Hash of one input (specs 2). Forgets inputs given to [`Vm::first`].
    pub fn hash(&mut self, input: &[u8]) -> [u8; HASH_BYTES] {
        let mut hash = [[0; HASH_BYTES]];
        self.first(&[input]);
        self.last(&mut hash);
        hash[0]
    }

    /// Begins the hashes of the first of `inputs`, one for each lane at most, and says of how many. Forgets what was
    /// begun before.
    pub fn first(&mut self, inputs: &[&[u8]]) -> usize {
        for (lane, input) in self.lanes.iter_mut().zip(inputs) {
            lane.begin(input, self.options.aes);
        }
        self.begun = inputs.len().min(self.lanes.len());
        self.begun
    }

    /// Writes the hashes of the inputs begun before to `out`, in their order, and says how many there are. The
    /// first of `inputs` are begun, as by [`Vm::first`]. Hashes that find no room in `out` are lost.
    pub fn next(&mut self, inputs: &[&[u8]], out: &mut [[u8; HASH_BYTES]]) -> usize {
        self.run_programs();
        let given = self.begun.min(out.len());
        let aes = self.options.aes;
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            let input = inputs.get(at);
            let hash = match (at < self.begun, input) {
                (true, Some(input)) => lane.end_and_begin(input, aes),
                (true, None) => lane.end(aes),
                (false, Some(input)) => {
                    lane.begin(input, aes);
                    continue;
                }
                (false, None) => break,
            };
            if let Some(place) = out.get_mut(at) {
                *place = hash;
            }
        }
        self.begun = inputs.len().min(self.lanes.len());
        given
    }

    /// As [`Vm::next`] with no more inputs.
    pub fn last(&mut self, out: &mut [[u8; HASH_BYTES]]) -> usize {
        self.next(&[], out)
    }

    /// Runs all programs of the hashes that are begun (specs 2, steps 6 to 11).
    fn run_programs(&mut self) {
        let lanes = &mut self.lanes[..self.begun];
        if lanes.is_empty() {
            return;
        }
        let Options { config, aes, .. } = self.options;
        for number in 0..config.program_count {
            for lane in &mut *lanes {
                if number == 0 {
                    lane.rounding = Rounding::Nearest;
                } else {
                    lane.seed = hash_512(&lane.registers.to_bytes());
                }
                aes.fill_program(config.generator, &mut lane.seed, &mut self.generated);
                lane.program.load(&self.generated);
                lane.settings = Settings::from_entropy(config, &lane.program.entropy);
            }
            self.machine.run(lanes, &self.source);
        }
    }
}

impl Lane {
    pub(crate) fn new(options: &Options) -> Result<Self, Error> {
        let program = Program::new(options.config);
        let settings = Settings::from_entropy(options.config, &program.entropy);
        let scratchpad = Memory::allocate(options.config.scratchpad_l3_bytes, options.pages, "scratchpad")?;
        let (registers, rounding) = (Registers::default(), Rounding::Nearest);
        Ok(Self { scratchpad, registers, rounding, program, settings, seed: [0; 64] })
    }

    /// Fills the scratchpad from an input (specs 2, steps 2 to 4).
    fn begin(&mut self, input: &[u8], aes: Aes) {
        self.seed = hash_512(input);
        aes.fill_scratchpad(&mut self.seed, &mut self.scratchpad);
    }

    /// The hash after the last program (specs 2, steps 12 to 14).
    fn end(&self, aes: Aes) -> [u8; HASH_BYTES] {
        finish(&self.registers, &aes.hash(&self.scratchpad))
    }

    /// Both, in one pass over the scratchpad.
    fn end_and_begin(&mut self, input: &[u8], aes: Aes) -> [u8; HASH_BYTES] {
        self.seed = hash_512(input);
        finish(&self.registers, &aes.hash_and_fill(&mut self.scratchpad, &mut self.seed))
    }
}

/// Whether the items are those of a configuration.
fn serves(source: &Source, config: &'static Config) -> Result<(), Error> {
    let memory = source.config();
    if memory.shares_dataset_with(config) {
        Ok(())
    } else {
        Err(Error::Config { memory: memory.name, machine: config.name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::cache;
    use crate::config::{RX_0, RX_2, RX_ARQ};

    #[test]
    fn a_change_of_version_keeps_scratchpads() {
        let cache = Arc::new(cache(b"versions"));
        let second = Options::detect(&RX_2);
        let expected = Vm::light(second, Arc::clone(&cache)).unwrap().hash(b"input");
        for is_lockstep in [false, true] {
            let options = Options { lanes: 2, ..Options::detect(&RX_0) };
            let mut vm = match is_lockstep {
                true => Vm::light_many(options, Arc::clone(&cache), 2).unwrap(),
                false => Vm::light(options, Arc::clone(&cache)).unwrap(),
            };
            let before = vm.hash(b"input");
            let places = |vm: &Vm| vm.lanes.iter().map(|lane| lane.scratchpad.as_ptr()).collect::<Vec<_>>();
            let places_before = places(&vm);
            vm.set_config(&RX_2).unwrap();
            assert_eq!((vm.hash(b"input"), places(&vm)), (expected, places_before));
            assert_eq!(vm.is_lockstep, is_lockstep);
            vm.set_config(&RX_ARQ).unwrap_err();
            assert_eq!(vm.hash(b"input"), expected, "what was refused has changed nothing");
            vm.set_config(&RX_0).unwrap();
            assert_eq!(vm.hash(b"input"), before);
        }
    }
}
