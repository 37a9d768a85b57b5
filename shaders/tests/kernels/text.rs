//! The kernels as text: valid WGSL, and CUDA C that its compiler takes.

use std::process::Command;

use rminer_shaders::abi;
use rminer_shaders::generator::{Rotate, Sums};
use rminer_shaders::kernels::kheavyhash::Rounds;
use rminer_shaders::kernels::sha256d::Shape;
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

use super::{every_kernel, every_kheavyhash_kernel, heavy_shapes};

#[test]
fn every_text_is_valid_with_the_entry_point_that_it_promises() {
    for variant in every_kernel().into_iter().chain(every_kheavyhash_kernel()) {
        let module = wgpu::naga::front::wgsl::parse_str(&variant.text)
            .unwrap_or_else(|error| panic!("{}: {}", variant.name, error.emit_to_string(&variant.text)));
        // What a device must have beyond the least of WebGPU.
        let wide = variant.needs_int64;
        let capabilities = if wide { Capabilities::SHADER_INT64 } else { Capabilities::empty() };
        Validator::new(ValidationFlags::all(), capabilities).validate(&module).unwrap();
        let [entry] = &module.entry_points[..] else { panic!("{}: not one entry point", variant.name) };
        assert_eq!(entry.name, abi::ENTRY_POINT);
        assert_eq!(entry.workgroup_size, [variant.workgroup_size, 1, 1]);
    }
}

#[test]
fn names_are_unique() {
    for kernels in [every_kernel(), every_kheavyhash_kernel()] {
        let mut names: Vec<_> = kernels.iter().map(|kernel| &kernel.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), kernels.len());
        assert!(
            kernels.iter().filter(|kernel| !kernel.generated).map(|kernel| &*kernel.name).eq(["reference"])
        );
    }
}

#[test]
fn unknown_algorithms_have_no_kernel() {
    assert!(rminer_shaders::variants("nosuch").is_empty());
}

#[test]
fn cuda_text_compiles() {
    let nvcc = std::env::var_os("NVCC").unwrap_or_else(|| "nvcc".into());
    if Command::new(&nvcc).arg("--version").output().is_err() {
        eprintln!("SKIPPED: no CUDA compiler `nvcc` in PATH, and NVCC names none");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape::default();
    let sha256d = [
        shape,
        Shape { rotate: Rotate::Insert, nonces_per_invocation: 4, ..shape },
        Shape { rotate: Rotate::Wide, ..shape },
        Shape { lanes: 4, sums: Sums::MultiplyAdd, ..shape },
    ];
    let sources = sha256d.iter().map(|shape| (shape.name(), shape.cuda()));
    // Unrolled ones take the compiler long and are of the same statements.
    let kheavyhash = heavy_shapes();
    let kheavyhash = kheavyhash.iter().filter(|shape| shape.rounds != Rounds::Unrolled);
    for (name, text) in sources.chain(kheavyhash.map(|shape| (shape.name(), shape.cuda()))) {
        let (source, binary) = (folder.path().join("kernel.cu"), folder.path().join("kernel.cubin"));
        std::fs::write(&source, text).unwrap();
        let compiled = Command::new(&nvcc)
            .args(["-cubin", "-arch=sm_90", "-o"])
            .args([&binary, &source])
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{name}: {}", String::from_utf8_lossy(&compiled.stderr));
    }
}
