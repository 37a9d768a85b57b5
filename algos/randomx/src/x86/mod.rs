//! Compilers for x86-64 processors.

pub mod assembler;
#[cfg(test)]
mod assembler_tests;
