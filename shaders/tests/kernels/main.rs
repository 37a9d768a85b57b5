//! Every kernel against vectors and the reference, on whatever Vulkan, Metal or DX12 device there is: software too.

#![allow(clippy::unwrap_used)]

mod gpu;
mod kheavyhash;
mod search;
mod text;

use rminer_shaders::Variant;
use rminer_shaders::generator::{Rotate, Sums};
use rminer_shaders::kernels::kheavyhash::{Product, Rounds, Rows, Shape as HeavyShape, Theta, Width};
use rminer_shaders::kernels::sha256d::Shape;

/// For SHA-256d the table, and of what else can be generated each way to differ at least once.
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

/// The same for kHeavyHash.
fn every_kheavyhash_kernel() -> Vec<Variant> {
    let mut kernels = rminer_shaders::variants("kheavyhash");
    for shape in heavy_shapes() {
        if kernels.iter().all(|kernel| kernel.name != shape.name()) {
            kernels.push(shape.variant());
        }
    }
    kernels
}

fn heavy_shapes() -> [HeavyShape; 9] {
    let shape = HeavyShape::default();
    let pairs = HeavyShape { width: Width::Pairs, ..shape };
    let unrolled = Rounds::Unrolled;
    [
        shape,
        pairs,
        HeavyShape { rounds: Rounds::Looped(2), theta: Theta::Two, nonces_per_invocation: 4, ..shape },
        HeavyShape { rounds: Rounds::Looped(1), rows: Rows::Two, ..shape },
        HeavyShape { rounds: Rounds::Looped(11), ..pairs },
        HeavyShape { rounds: unrolled, workgroup_size: 64, ..shape },
        HeavyShape { rounds: unrolled, theta: Theta::Two, ..pairs },
        HeavyShape { rounds: Rounds::Looped(1), rows: Rows::All, workgroup_size: 256, ..pairs },
        HeavyShape { rounds: Rounds::Looped(1), product: Product::RowPairs, ..shape },
    ]
}
