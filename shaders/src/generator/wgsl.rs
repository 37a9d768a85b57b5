//! A program as a WGSL module of the interface in [`crate::abi`].

use super::Frame;
use super::expression::{Language, Printer, Style, Sums};
use super::program::Program;

/// The module. Each output of the program is one lane; a lane's candidate is reported where its output is zero.
/// With [`Sums::MultiplyAdd`] the job's words have a one behind the program's own.
pub fn wgsl_text(program: &Program, style: Style, frame: Frame) -> String {
    let printer = Printer { program, style, language: Language::Wgsl };
    let Frame { workgroup_size, nonces_per_invocation } = frame;
    let mut words = program.slot_count();
    let mut one = String::new();
    if style.sums == Sums::MultiplyAdd {
        one = format!("    let one = {};\n", printer.slot(words));
        words += 1;
    }
    let vec4s = words.div_ceil(4).max(1);
    let indent = if nonces_per_invocation == 1 { "    " } else { "        " };
    let (open, close) = if nonces_per_invocation == 1 {
        ("    let index = invocation;\n".to_owned(), "")
    } else {
        let open = format!(
            "    for (var turn = 0u; turn < {nonces_per_invocation}u; turn++) {{\n        \
             let index = invocation * {nonces_per_invocation}u + turn;\n"
        );
        (open, "    }\n")
    };
    let statements = printer.statements(indent);
    let lanes = program.outputs().len();
    let mut reports = String::new();
    for (lane, output) in program.outputs().iter().enumerate() {
        let offset = if lanes == 1 { "index".to_owned() } else { format!("index * {lanes}u + {lane}u") };
        reports += &format!("{indent}if ({}) == 0u {{ report({offset}); }}\n", printer.value(*output));
    }
    format!(
        "\
struct Results {{ count: atomic<u32>, hits: array<u32, 63> }}
struct Parameters {{ first_nonce: u32, count: u32 }}
@group(0) @binding(0) var<storage, read_write> results: Results;
@group(0) @binding(1) var<uniform> parameters: Parameters;
@group(0) @binding(2) var<uniform> job: array<vec4<u32>, {vec4s}>;

fn report(offset: u32) {{
    let place = atomicAdd(&results.count, 1u);
    if place < 63u {{ results.hits[place] = offset; }}
}}

@compute @workgroup_size({workgroup_size})
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {{
    let invocation = (workgroup.y * workgroups.x + workgroup.x) * {workgroup_size}u + local;
{one}{open}{indent}if index >= parameters.count {{ return; }}
{indent}let nonce = parameters.first_nonce + index;
{statements}{reports}{close}}}
"
    )
}
