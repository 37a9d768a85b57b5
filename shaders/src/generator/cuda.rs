//! A program as CUDA C: the yardstick for WGSL on NVIDIA's cards, made of the same operations.

use super::Frame;
use super::expression::{Language, Printer, Style, Sums};
use super::program::Program;

/// A translation unit with the kernel `main_kernel(results, first_nonce, count)` and the job's words in the constant
/// array `job`. Grid, results and parameters mean what they mean in [`crate::abi`].
pub fn cuda_text(program: &Program, style: Style, frame: Frame) -> String {
    let printer = Printer { program, style, language: Language::Cuda };
    let Frame { workgroup_size, nonces_per_invocation } = frame;
    let mut words = program.slot_count();
    let mut one = String::new();
    if style.sums == Sums::MultiplyAdd {
        one = format!("    const unsigned one = {};\n", printer.slot(words));
        words += 1;
    }
    let words = words.next_multiple_of(4).max(4);
    let indent = if nonces_per_invocation == 1 { "    " } else { "        " };
    let (open, close) = if nonces_per_invocation == 1 {
        ("    const unsigned index = invocation;\n".to_owned(), "")
    } else {
        let open = format!(
            "#pragma unroll 1\n    for (unsigned turn = 0; turn < {nonces_per_invocation}u; turn++) {{\n        \
             const unsigned index = invocation * {nonces_per_invocation}u + turn;\n"
        );
        (open, "    }\n")
    };
    let statements = printer.statements(indent);
    let lanes = program.outputs().len();
    let mut reports = String::new();
    for (lane, output) in program.outputs().iter().enumerate() {
        let output = printer.value(*output);
        reports += &format!("{indent}if (({output}) == 0u) report(results, index * {lanes}u + {lane}u);\n");
    }
    format!(
        "\
__constant__ unsigned job[{words}];

static __device__ __forceinline__ void report(unsigned *results, unsigned offset) {{
    const unsigned place = atomicAdd(&results[0], 1u);
    if (place < 63u) results[1u + place] = offset;
}}

extern \"C\" __global__ void __launch_bounds__({workgroup_size})
main_kernel(unsigned *results, unsigned first_nonce, unsigned count) {{
    const unsigned invocation = (blockIdx.y * gridDim.x + blockIdx.x) * {workgroup_size}u + threadIdx.x;
{one}{open}{indent}if (index >= count) return;
{indent}const unsigned nonce = first_nonce + index;
{statements}{reports}{close}}}
"
    )
}
