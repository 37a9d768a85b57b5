//! Many machines of light mode that take each iteration together, so that the dataset items that they need are made
//! together, by vector instructions.
//!
//! A compiled program runs one iteration and returns. Which item it reads is known before it begins (`ma`, specs
//! 4.6.2 step 7), so the items of all lanes are made first; each program then reads its own as if it lay in a dataset.
#![allow(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use super::Compiler;
use super::frame::Items;
use crate::cache::Cache;
use crate::dataset::{Item, ItemKernel};
use crate::vm::{Lane, Machine, Options, Source};
use crate::{DatasetKernel, Error, low_word};

/// One compiler for each lane, and what makes their items.
pub(crate) struct Lockstep {
    compilers: Vec<Compiler>,
    cache: Arc<Cache>,
    kernel: Box<dyn ItemKernel>,
    numbers: Vec<u64>,
    items: Vec<Item>,
}

impl Lockstep {
    /// For `lanes` lanes over a cache that holds a key.
    ///
    /// # Errors
    /// Those of [`Compiler::new`] and [`DatasetKernel::compile`].
    pub(crate) fn new(options: &Options, cache: Arc<Cache>, lanes: usize) -> Result<Self, Error> {
        let alone = Options { lanes: 1, ..*options };
        let compilers = (0..lanes).map(|_| Compiler::new(&alone, None)).collect::<Result<_, _>>()?;
        let kernel = DatasetKernel::best().compile(&cache);
        let kernel = kernel.or_else(|_| DatasetKernel::Portable.compile(&cache))?;
        Ok(Self { compilers, cache, kernel, numbers: Vec::with_capacity(lanes), items: vec![[0; 8]; lanes] })
    }

    /// Makes the item that each of the first `lanes` programs reads next.
    fn make_items(&mut self, lanes: &[Lane]) {
        self.numbers.clear();
        self.numbers.extend(
            self.compilers.iter().zip(lanes).map(|(compiler, lane)| {
                (lane.settings.dataset_offset + u64::from(compiler.next_read())) / 64
            }),
        );
        self.kernel.items(self.cache.memory(), &self.numbers, &mut self.items[..self.numbers.len()]);
    }
}

impl Machine for Lockstep {
    fn run(&mut self, lanes: &mut [Lane], _source: &Source) {
        for (compiler, lane) in self.compilers.iter_mut().zip(&mut *lanes) {
            let lane = std::slice::from_mut(lane);
            let compiled = compiler.compile(lane, Items::Memory);
            // The buffer is as large as the longest code; were it not, wrong hashes would be the worst to give out.
            assert!(compiled.is_ok(), "compiled programs fit into their buffer");
            compiler.prepare(lane, std::ptr::null());
        }
        let iterations = self.compilers.first().map_or(0, |compiler| compiler.config.program_iterations);
        for _ in 0..iterations {
            self.make_items(lanes);
            for ((compiler, item), _) in self.compilers.iter_mut().zip(&self.items).zip(&*lanes) {
                compiler.step(item);
            }
        }
        for (compiler, lane) in self.compilers.iter().zip(lanes) {
            compiler.finish(std::slice::from_mut(lane));
        }
    }
}

impl Compiler {
    /// Address, without the program's offset, of the item that the next iteration of the only lane reads.
    fn next_read(&self) -> u32 {
        low_word(self.context.lanes[0].read_addresses >> 32) & self.config.dataset_mask()
    }

    /// Runs one iteration of the only lane, which reads `item`.
    fn step(&mut self, item: &Item) {
        let read = self.next_read() as usize;
        let lane = &mut self.context.lanes[0];
        // So that the address which the program computes is that of the item.
        lane.dataset = std::ptr::from_ref(item).cast::<u8>().wrapping_sub(read);
        self.context.iterations = 1;
        // SAFETY: `compile` has written the code for this lane, and `prepare` set the context, whose scratchpad the
        // caller holds exclusively. Of the dataset one item is read, at `dataset` plus `read`; what the program
        // fetches ahead is not read, so that address need not exist.
        unsafe { self.enter() }
    }
}

impl fmt::Debug for Lockstep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Lockstep");
        fields.field("lanes", &self.compilers.len()).field("kernel", &self.kernel).finish()
    }
}
