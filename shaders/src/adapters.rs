//! Which graphics cards there are, and why those that cannot be used cannot.

mod missing;

use std::collections::BTreeMap;

use crate::fault::contained;

/// Tells an adapter from the others, also after the driver was loaded anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdapterId {
    /// PCI address such as `0000:01:00.0`; empty where the driver does not tell it.
    pub pci: String,
    /// Name of the card.
    pub name: String,
    /// Which of those that are the same in the other two.
    pub nth: u16,
}

/// An adapter that can compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adapter {
    /// Which one.
    pub id: AdapterId,
    /// Name of the driver with its version.
    pub driver: String,
    /// `Vulkan`, `Metal` or `DX12`.
    pub backend: &'static str,
    /// Whether it computes on the processor, which is good for tests only.
    pub software: bool,
}

/// Why something is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It computes on the processor.
    Software,
    /// The system has no loader for drivers.
    NoLoader,
    /// A card without a driver that can compute.
    NoDriver,
    /// This user may not use the card.
    NoPermission,
    /// The same card through another driver.
    Twice,
    /// The driver cannot do what kernels need.
    Limits,
}

/// Something that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Name of the card, or `GPUs` where none can be named.
    pub name: String,
    /// What kind of reason.
    pub why: Why,
    /// The reason, for people.
    pub reason: String,
    /// What to do about it.
    pub fix: String,
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// What can be used: cards first, by PCI address, then software.
    pub usable: Vec<Adapter>,
    /// What cannot.
    pub left_out: Vec<LeftOut>,
}

/// Looks for adapters. Software ones are left out unless they are asked for.
pub fn list(software: bool) -> Listing {
    let found = match enumerate() {
        Ok(found) => found,
        Err(reason) => {
            let fix = "update the driver of the graphics card".into();
            let left_out = LeftOut { name: "GPUs".into(), why: Why::NoDriver, reason, fix };
            return Listing { usable: Vec::new(), left_out: vec![left_out] };
        }
    };
    let mut listing = Listing::default();
    for (adapter, handle) in found {
        match unfit(&adapter, &handle, software, &listing.usable) {
            None => listing.usable.push(adapter),
            Some(left_out) => listing.left_out.push(left_out),
        }
    }
    listing.left_out.extend(missing::explain(&listing.usable));
    listing
}

/// Finds an adapter again, in a new instance of the driver.
pub(crate) fn find(id: &AdapterId) -> Option<wgpu::Adapter> {
    let found = enumerate().ok()?;
    found.into_iter().find(|(adapter, _)| adapter.id == *id).map(|(_, handle)| handle)
}

/// One backend for each platform, else each card would be seen twice.
fn backends() -> [wgpu::Backends; 2] {
    if cfg!(target_vendor = "apple") {
        [wgpu::Backends::METAL, wgpu::Backends::empty()]
    } else {
        [wgpu::Backends::VULKAN, wgpu::Backends::DX12]
    }
}

fn enumerate() -> Result<Vec<(Adapter, wgpu::Adapter)>, String> {
    for backends in backends() {
        let handles = contained("looking for graphics cards", || {
            let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
            descriptor.backends = backends;
            descriptor.flags = wgpu::InstanceFlags::empty();
            pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends))
        });
        let handles = handles.map_err(|fault| fault.to_string())?;
        if !handles.is_empty() {
            return Ok(identify(handles));
        }
    }
    Ok(Vec::new())
}

fn identify(handles: Vec<wgpu::Adapter>) -> Vec<(Adapter, wgpu::Adapter)> {
    let mut seen: BTreeMap<(String, String), u16> = BTreeMap::new();
    let mut found: Vec<_> = handles
        .into_iter()
        .map(|handle| {
            let info = handle.get_info();
            let nth = seen.entry((info.device_pci_bus_id.clone(), info.name.clone())).or_default();
            let id = AdapterId { pci: info.device_pci_bus_id, name: info.name, nth: *nth };
            *nth = nth.saturating_add(1);
            let driver = [info.driver, info.driver_info];
            let driver: Vec<String> = driver.into_iter().filter(|part| !part.is_empty()).collect();
            let software = info.device_type == wgpu::DeviceType::Cpu;
            let backend = match info.backend {
                wgpu::Backend::Metal => "Metal",
                wgpu::Backend::Dx12 => "DX12",
                _ => "Vulkan",
            };
            (Adapter { id, driver: driver.join(" "), backend, software }, handle)
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| (a.software, &a.id).cmp(&(b.software, &b.id)));
    found
}

fn unfit(adapter: &Adapter, handle: &wgpu::Adapter, software: bool, known: &[Adapter]) -> Option<LeftOut> {
    let left_out = |why, reason: String, fix: &str| {
        Some(LeftOut { name: adapter.id.name.clone(), why, reason, fix: fix.into() })
    };
    if adapter.software && !software {
        let reason = "is software: it computes on the processor, which is faster without it".into();
        return left_out(Why::Software, reason, "ask for software adapters to test with it");
    }
    let twin = |other: &&Adapter| !adapter.id.pci.is_empty() && other.id.pci == adapter.id.pci;
    if let Some(other) = known.iter().find(twin) {
        let reason = format!("is the same card as {} with driver {}", other.id.name, other.driver);
        return left_out(Why::Twice, reason, "nothing needs to be done");
    }
    let lacks = lacks(&handle.limits(), handle.get_downlevel_capabilities().flags)?;
    let reason = format!("its driver {} has {lacks}", adapter.driver);
    left_out(Why::Limits, reason, "update the driver of the graphics card")
}

/// What the driver lacks that the kernels need.
fn lacks(limits: &wgpu::Limits, flags: wgpu::DownlevelFlags) -> Option<String> {
    if !flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("no compute shaders".into());
    }
    let need = required_limits();
    let pairs = [
        (
            "invocations in a workgroup",
            limits.max_compute_invocations_per_workgroup,
            need.max_compute_invocations_per_workgroup,
        ),
        ("invocations in a row", limits.max_compute_workgroup_size_x, need.max_compute_workgroup_size_x),
        (
            "workgroups in a row",
            limits.max_compute_workgroups_per_dimension,
            need.max_compute_workgroups_per_dimension,
        ),
        (
            "storage buffers",
            limits.max_storage_buffers_per_shader_stage,
            need.max_storage_buffers_per_shader_stage,
        ),
    ];
    pairs.iter().find(|(_, has, need)| has < need).map(|(what, has, need)| format!("{has} {what} of {need}"))
}

/// Limits that an open device gets: what every driver has, and nothing better than needed.
pub(crate) fn required_limits() -> wgpu::Limits {
    wgpu::Limits::downlevel_defaults()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_lacks_is_named() {
        let mut limits = required_limits();
        let all = wgpu::DownlevelFlags::all();
        assert_eq!(lacks(&limits, all), None);
        assert_eq!(lacks(&limits, wgpu::DownlevelFlags::empty()).unwrap(), "no compute shaders");
        limits.max_compute_invocations_per_workgroup = 128;
        assert_eq!(lacks(&limits, all).unwrap(), "128 invocations in a workgroup of 256");
    }

    #[test]
    fn software_is_left_out_unless_asked_for() {
        let hardware = list(false);
        assert!(hardware.usable.iter().all(|adapter| !adapter.software));
        let all = list(true);
        assert!(all.usable.len() >= hardware.usable.len());
        for adapter in all.usable.iter().filter(|adapter| adapter.software) {
            let why = hardware.left_out.iter().find(|left| left.name == adapter.id.name).map(|left| left.why);
            assert_eq!(why, Some(Why::Software));
        }
        if hardware.usable.is_empty() {
            assert!(!hardware.left_out.is_empty(), "a reason for each machine without a card");
        }
    }
}
