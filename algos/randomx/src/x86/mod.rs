//! The compiler for x86-64 processors with AVX: programs become machine code (specs 4.6 and 5).
#![allow(unsafe_code)]

pub mod assembler;
#[cfg(test)]
mod assembler_tests;
mod body;
mod context;
mod frame;
mod light_item;
mod lockstep;
pub(crate) mod superscalar;
#[cfg(test)]
mod tests;

pub(crate) use self::lockstep::Lockstep;

use std::fmt;
use std::sync::Arc;

use self::assembler::Assembler;
use self::body::INSTRUCTION_BYTES;
use self::context::{Context, ItemCallback};
use self::frame::{FRAME_BYTES, Frame, Items};
use self::light_item::LightItem;
use crate::config::Config;
use crate::float::x86::{control_of, rounding_of};
use crate::instruction::Opcode;
use crate::registers::Registers;
use crate::vm::{Lane, Machine, Options, Source};
use crate::{Cache, CodeMemory, Error, low_word};

/// A compiled function over all lanes.
type Compiled = unsafe extern "sysv64" fn(*mut Context);

/// Whether this processor has what compiled programs need; AES is for version 2.
pub(crate) fn is_supported() -> bool {
    is_x86_feature_detected!("avx") && is_x86_feature_detected!("aes")
}

/// Compiles the programs of its lanes together, and runs them.
pub(crate) struct Compiler {
    config: &'static Config,
    opcodes: [Opcode; 256],
    code: CodeMemory,
    context: Box<Context>,
    /// Makes the items of light mode. Without it they are made the slow way.
    light_item: Option<LightItem>,
}

// SAFETY: the pointers in the context are set and used within one call of `run`, which has `&mut self`.
unsafe impl Send for Compiler {}

impl Compiler {
    /// For machines of these options, and for light mode the cache that all their items are made from.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the processor lacks instructions, [`Error::Memory`] when the system gives no
    /// memory for code.
    pub(crate) fn new(options: &Options, cache: Option<&Cache>) -> Result<Self, Error> {
        let config = options.config;
        if !is_supported() {
            return Err(Error::Unsupported {
                what: "a compiler of RandomX programs",
                reason: "the processor lacks AVX or AES",
            });
        }
        let bytes = options.lanes * (FRAME_BYTES + config.program_instructions * INSTRUCTION_BYTES);
        // Huge pages for code are not worth a refusal; an error names what was asked for.
        let code = CodeMemory::allocate(bytes, options.pages, options.code).or_else(|asked| {
            CodeMemory::allocate(bytes, crate::Pages::Normal, options.code).map_err(|_| asked)
        })?;
        Ok(Self {
            config,
            opcodes: config.opcodes(),
            code,
            context: Box::new(Context::new()),
            light_item: cache.and_then(|cache| LightItem::new(cache, options.code).ok()),
        })
    }

    /// Compiles the programs of all lanes into one function.
    fn compile(&mut self, lanes: &[Lane], items: Items) -> Result<(), Error> {
        let mut assembler = Assembler::new(self.code.write_view(), 0);
        let programs = lanes.iter().map(|lane| (&lane.program, &lane.settings));
        Frame::new(&mut assembler, self.config, &self.opcodes, items).write(programs);
        assembler.finish().map(|_| ())
    }

    /// Sets the context for the lanes' programs.
    fn prepare(&mut self, lanes: &mut [Lane], dataset: *const u8) {
        self.context.iterations = self.config.program_iterations;
        for (context, lane) in self.context.lanes.iter_mut().zip(lanes) {
            let settings = &lane.settings;
            context.registers = Registers { a: settings.a, ..Registers::default() };
            context.e_masks = settings.e_masks;
            context.scratchpad = lane.scratchpad.as_mut_ptr();
            context.dataset = dataset.wrapping_add(low_word(settings.dataset_offset) as usize);
            let (mx, ma) = (u64::from(settings.mx), u64::from(settings.ma));
            context.read_addresses = ma << 32 | mx;
            context.mix = context.read_addresses;
            context.control = control_of(lane.rounding);
        }
    }
}

impl Machine for Compiler {
    fn run(&mut self, lanes: &mut [Lane], source: &Source) {
        let (dataset, items) = match source {
            Source::Fast(dataset) => (dataset.memory().as_ptr(), Items::Memory),
            Source::Light(_) => (std::ptr::null(), Items::Callback),
        };
        let compiled = self.compile(lanes, items);
        // The buffer is as large as the longest code; were it not, wrong hashes would be the worst to give out.
        assert!(compiled.is_ok(), "compiled programs fit into their buffer");
        self.prepare(lanes, dataset);
        if items == Items::Memory {
            self.fetch_first_items();
        }
        if let Source::Light(cache) = source {
            (self.context.item, self.context.source) = match &self.light_item {
                Some(item) => (item.function(), cache.memory().as_ptr().cast::<()>()),
                None => (item_of as ItemCallback, Arc::as_ptr(cache).cast()),
            };
        }
        // SAFETY: `compile` has just written the code for exactly these lanes. It reads and writes the context and the
        // scratchpads, which are as long as the configuration says (every address is masked to that), and reads the
        // dataset at masked addresses behind the program's offset, the last of which is the last item (see
        // `Settings`). `&mut self` and `&mut lanes` keep everyone else away.
        unsafe { self.enter() }
        self.finish(lanes);
    }
}

impl Compiler {
    /// Runs the code.
    ///
    /// # Safety
    /// `compile` has written it, and the context holds what it was written for: scratchpads that nobody else uses, and
    /// a dataset that may be read wherever it reads.
    unsafe fn enter(&mut self) {
        // SAFETY: a function of the System V ABI that takes the context, as the caller says. It gives back all
        // registers and MXCSR as it found them.
        unsafe {
            let run: Compiled = std::mem::transmute(self.code.entry());
            run(&raw mut *self.context);
        }
    }

    /// Takes over what the programs have left.
    fn finish(&self, lanes: &mut [Lane]) {
        for (context, lane) in self.context.lanes.iter().zip(lanes) {
            lane.registers = context.registers;
            // SAFETY: the last iteration has set it to a line of 64 bytes in the lane's scratchpad, aligned to 64, and
            // written group F there.
            lane.registers.f = unsafe { context.line0.cast::<[[f64; 2]; 4]>().read() };
            lane.rounding = rounding_of(context.control);
        }
    }

    /// Fetches the items that programs read first. Version 2 reads two before one that it has fetched itself.
    fn fetch_first_items(&self) {
        let mask = self.config.dataset_mask();
        for lane in &self.context.lanes {
            let (mx, ma) = (low_word(lane.read_addresses), low_word(lane.read_addresses >> 32));
            for address in [ma, mx] {
                let line = lane.dataset.wrapping_add((address & mask) as usize);
                // SAFETY: a prefetch reads nothing that the program could see, whatever the address; SSE is part of
                // x86-64.
                unsafe {
                    std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_NTA }>(line.cast());
                }
            }
        }
    }
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler").field("config", &self.config.name).field("code", &self.code).finish()
    }
}

/// Makes an item for compiled code in light mode.
extern "sysv64" fn item_of(source: *const (), number: u64, out: *mut [u64; 8]) {
    // SAFETY: compiled code passes on the cache that `run` borrows while it calls, and the room for an item in the
    // context.
    unsafe {
        *out = (*source.cast::<Cache>()).item(number);
    }
}
