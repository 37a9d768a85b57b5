//! Kernels as WGSL modules of the interface in [`crate::abi`].

use super::Frame;

/// A module: `before` stands once in each invocation, `body` once for each nonce.
///
/// Invocations beyond the last nonce hash as well and report nothing. Were they sent home first, software Vulkan
/// would take every word of the job for each of them alone, which made the kernels a fifth slower.
pub(super) fn module(frame: Frame, job_words: usize, before: &str, body: &str) -> String {
    let Frame { workgroup_size, nonces_per_invocation } = frame;
    let vec4s = job_words.div_ceil(4).max(1);
    let indent = frame.indent();
    let (open, close) = if nonces_per_invocation == 1 {
        ("    let index = invocation;\n".to_owned(), "")
    } else {
        let open = format!(
            "    for (var turn = 0u; turn < {nonces_per_invocation}u; turn++) {{\n        \
             let index = invocation * {nonces_per_invocation}u + turn;\n"
        );
        (open, "    }\n")
    };
    format!(
        "\
struct Results {{ count: atomic<u32>, hits: array<u32, 63> }}
struct Parameters {{ first_nonce: u32, count: u32, first_nonce_high: u32 }}
@group(0) @binding(0) var<storage, read_write> results: Results;
@group(0) @binding(1) var<uniform> parameters: Parameters;
@group(0) @binding(2) var<uniform> job: array<vec4<u32>, {vec4s}>;

fn report(index: u32, offset: u32) {{
    if index >= parameters.count {{ return; }}
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
{before}{open}{indent}let nonce = parameters.first_nonce + index;
{body}{close}}}
"
    )
}
