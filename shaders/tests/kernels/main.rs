//! Every kernel against vectors and the reference, on whatever Vulkan, Metal or DX12 device there is: software too.

#![allow(clippy::unwrap_used)]

mod gpu;
mod search;
mod text;

use rminer_shaders::Variant;
use rminer_shaders::generator::{Rotate, Sums};
use rminer_shaders::kernels::sha256d::Shape;

/// The table, and of what else can be generated each way to differ at least once.
fn every_kernel() -> Vec<Variant> {
    let mut kernels = rminer_shaders::variants("sha256d");
    let shape = Shape::default();
    let more = [
        Shape { workgroup_size: 128, ..shape },
        Shape { workgroup_size: 64, nonces_per_invocation: 16, ..shape },
        Shape { lanes: 4, sums: Sums::MultiplyAdd, nonces_per_invocation: 4, workgroup_size: 128, ..shape },
        Shape { rotate: Rotate::Add, ..shape },
        Shape { rotate: Rotate::Xor, ..shape },
        Shape { rotate: Rotate::Insert, ..shape },
        Shape { rotate: Rotate::Wide, ..shape },
    ];
    for shape in more {
        if kernels.iter().all(|kernel| kernel.name != shape.name()) {
            kernels.push(shape.variant());
        }
    }
    kernels
}
