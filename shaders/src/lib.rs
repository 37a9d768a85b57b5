//! Compute kernels for GPUs: their generator, and what runs them through wgpu.
