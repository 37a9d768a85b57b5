//! Kernels as CUDA C.

use super::Frame;

/// A translation unit with the kernel `main_kernel(results, first_nonce, count, first_nonce_high)` and the job's words
/// in the constant array `job`. Grid, results and parameters mean what they mean in [`crate::abi`].
pub(super) fn module(frame: Frame, job_words: usize, before: &str, body: &str) -> String {
    let Frame { workgroup_size, nonces_per_invocation } = frame;
    let words = job_words.next_multiple_of(4).max(4);
    let indent = frame.indent();
    let (open, close) = if nonces_per_invocation == 1 {
        ("    const unsigned index = invocation;\n".to_owned(), "")
    } else {
        let open = format!(
            "#pragma unroll 1\n    for (unsigned turn = 0; turn < {nonces_per_invocation}u; turn++) {{\n        \
             const unsigned index = invocation * {nonces_per_invocation}u + turn;\n"
        );
        (open, "    }\n")
    };
    format!(
        "\
__constant__ __align__(16) unsigned job[{words}];

static __device__ __forceinline__ void report(unsigned *results, unsigned offset) {{
    const unsigned place = atomicAdd(&results[0], 1u);
    if (place < 63u) results[1u + place] = offset;
}}

extern \"C\" __global__ void __launch_bounds__({workgroup_size})
main_kernel(unsigned *results, unsigned first_nonce, unsigned count, unsigned first_nonce_high) {{
    const unsigned invocation = (blockIdx.y * gridDim.x + blockIdx.x) * {workgroup_size}u + threadIdx.x;
{before}{open}{indent}if (index >= count) return;
{indent}const unsigned nonce = first_nonce + index;
{body}{close}}}
"
    )
}
