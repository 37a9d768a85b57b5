//! What host and kernels agree on, byte for byte: the bind group, its buffers, and how invocations count.
//!
//! All kernels have one entry point and one bind group:
//!
//! | binding | WGSL | content |
//! |---|---|---|
//! | 0 | `storage, read_write` | [`Results`] |
//! | 1 | `uniform` | [`Parameters`] |
//! | 2 | `uniform`, `array<vec4<u32>, N>` | the job's words, `N` as the kernel's [`Variant`](crate::kernels::Variant) says |
//!
//! Invocations are numbered along x, then y: `(workgroup.y * workgroups_in_x + workgroup.x) * workgroup_size + local`.
//! Invocation `i` of a kernel with `n` nonces for each takes the nonces `i * n .. (i + 1) * n` of the dispatch, as
//! far as [`Parameters::count`] reaches, and each of them under all lanes of the kernel.

use bytemuck::{Pod, Zeroable};

use crate::generator::split;

/// Name of the entry point in every kernel.
pub const ENTRY_POINT: &str = "main";
/// Binding of [`Results`] in bind group 0.
pub const RESULTS_BINDING: u32 = 0;
/// Binding of [`Parameters`] in bind group 0.
pub const PARAMETERS_BINDING: u32 = 1;
/// Binding of the job's words in bind group 0.
pub const JOB_BINDING: u32 = 2;
/// Candidates that one dispatch can report.
pub const MAX_HITS: usize = 63;
/// Most nonces of one dispatch: beyond it, offsets with four lanes and the numbers of invocations could wrap.
pub const MAX_NONCES: u32 = 1 << 29;

/// What a dispatch found: a counter and the first candidates. Cleared before each dispatch; the first word suffices.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct Results([u32; 1 + MAX_HITS]);

/// What changes from dispatch to dispatch of one job.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Parameters {
    /// Low word of the nonce of invocation 0, fixed bits included, as the number that stands little-endian in the
    /// blob.
    pub first_nonce: u32,
    /// Nonces of this dispatch, at most [`MAX_NONCES`]. Invocations beyond it do nothing.
    pub count: u32,
    /// High word of the first nonce. Kernels whose nonce has 64 bits carry into it where the low word wraps.
    pub first_nonce_high: u32,
    /// Uniform buffers come in steps of 16 bytes.
    pub padding: u32,
}

impl Parameters {
    /// Of a dispatch over `count` nonces from `first_nonce` on.
    pub fn new(first_nonce: u64, count: u32) -> Self {
        let [low, high] = split(first_nonce);
        Self { first_nonce: low, count, first_nonce_high: high, padding: 0 }
    }
}

const _: () = assert!(size_of::<Results>() == 256 && align_of::<Results>() == 4);
const _: () = assert!(size_of::<Parameters>() == 16);

impl Results {
    /// Candidates that were found, also those that found no place.
    pub fn count(&self) -> u32 {
        self.0[0]
    }

    /// Whether candidates were lost: the same nonces must then be searched in smaller dispatches.
    pub fn overflowed(&self) -> bool {
        self.0[0] as usize > MAX_HITS
    }

    /// The candidates in no order, each `nonce_index * lanes + lane`, counted from the dispatch's first nonce.
    pub fn hits(&self) -> &[u32] {
        &self.0[1..=(self.0[0] as usize).min(MAX_HITS)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_end_where_the_buffer_does() {
        let mut results = Results::zeroed();
        assert!(results.hits().is_empty() && !results.overflowed());
        results.0[0] = 63;
        assert_eq!((results.hits().len(), results.overflowed()), (63, false));
        results.0[0] = u32::MAX;
        assert_eq!((results.hits().len(), results.count(), results.overflowed()), (63, u32::MAX, true));
    }
}
