//! The kernels as text: valid WGSL.

#![allow(clippy::unwrap_used)]

use rminer_shaders::{abi, variants};
use wgpu::naga::valid::{Capabilities, ValidationFlags, Validator};

#[test]
fn every_text_is_valid_with_the_entry_point_that_it_promises() {
    for variant in variants("sha256d") {
        let module = wgpu::naga::front::wgsl::parse_str(&variant.text)
            .unwrap_or_else(|error| panic!("{}: {}", variant.name, error.emit_to_string(&variant.text)));
        Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
        let [entry] = &module.entry_points[..] else { panic!("{}: not one entry point", variant.name) };
        assert_eq!(entry.name, abi::ENTRY_POINT);
        assert_eq!(entry.workgroup_size, [variant.workgroup_size, 1, 1]);
    }
}

#[test]
fn unknown_algorithms_have_no_kernel() {
    assert!(variants("nosuch").is_empty());
}
