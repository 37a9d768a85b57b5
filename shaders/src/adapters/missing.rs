//! Cards that the system has and no driver offers, and what is missing for them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{Adapter, LeftOut, Why};

/// Reasons for cards of this machine that are not among the adapters; a general one where there is no card.
pub(super) fn explain(usable: &[Adapter]) -> Vec<LeftOut> {
    let hardware: Vec<&Adapter> = usable.iter().filter(|adapter| !adapter.software).collect();
    if cfg!(target_vendor = "apple") {
        return if hardware.is_empty() { vec![none("Metal offers no device", MACOS)] } else { Vec::new() };
    }
    let cards = pci_cards(Path::new("/sys/bus/pci/devices"));
    let known = |card: &&PciCard| hardware.iter().any(|adapter| adapter.id.pci == card.address);
    // Drivers that tell no addresses cannot be matched with cards; then nobody is accused.
    let tells = hardware.iter().all(|adapter| !adapter.id.pci.is_empty());
    let driverless: Vec<&PciCard> = cards.iter().filter(|card| tells && !known(card)).collect();
    let loader = loader::is_there();
    if driverless.is_empty() {
        return match (hardware.is_empty(), loader) {
            (false, _) => Vec::new(),
            (true, false) => vec![no_loader("GPUs")],
            (true, true) => vec![none("no graphics card that can compute was found", NO_CARD)],
        };
    }
    driverless.into_iter().map(|card| explain_card(card, loader, Path::new("/dev/dri"))).collect()
}

const MACOS: &str = "run on a Mac with macOS 10.15 or newer";
const NO_CARD: &str =
    "nothing, if this machine has none; in a container or virtual machine, pass the card through";

fn none(reason: &str, fix: &str) -> LeftOut {
    LeftOut { name: "GPUs".into(), why: Why::NoDriver, reason: reason.into(), fix: fix.into() }
}

fn no_loader(name: &str) -> LeftOut {
    LeftOut {
        name: name.into(),
        why: Why::NoLoader,
        reason: format!("the Vulkan loader is missing ({})", loader::NAME),
        fix: loader::FIX.into(),
    }
}

fn explain_card(card: &PciCard, loader: bool, nodes: &Path) -> LeftOut {
    let name = format!("{} card at {}", card.vendor.name(), card.address);
    if !loader {
        return no_loader(&name);
    }
    if let Some(node) = forbidden_node(nodes) {
        return LeftOut {
            name,
            why: Why::NoPermission,
            reason: format!("this user may not open {node}"),
            fix: "add the user to the group that owns it (usually `render`) and log in again".into(),
        };
    }
    let reason = "no Vulkan driver offers this card".to_owned();
    LeftOut { name, why: Why::NoDriver, reason, fix: card.vendor.fix().into() }
}

/// A node of the kernel's graphics drivers that is there but not for this user.
fn forbidden_node(folder: &Path) -> Option<String> {
    let nodes = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let mut render = nodes.filter(|path| path.to_string_lossy().contains("renderD"));
    render
        .find(|path| {
            let opened = fs::OpenOptions::new().read(true).write(true).open(path);
            opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        })
        .map(|path| path.display().to_string())
}

/// Whose cards can compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vendor {
    Nvidia,
    Amd,
    Intel,
}

impl Vendor {
    fn of(id: &str) -> Option<Self> {
        match id {
            "0x10de" => Some(Self::Nvidia),
            "0x1002" => Some(Self::Amd),
            "0x8086" => Some(Self::Intel),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nvidia => "NVIDIA",
            Self::Amd => "AMD",
            Self::Intel => "Intel",
        }
    }

    fn fix(self) -> &'static str {
        match self {
            Self::Nvidia => {
                "install NVIDIA's driver with its Vulkan part (Debian: nvidia-vulkan-icd); in a container, give it \
                 the driver capability `graphics`"
            }
            Self::Amd | Self::Intel => {
                "install Mesa's Vulkan drivers (Debian and Ubuntu: mesa-vulkan-drivers, Fedora: \
                 mesa-vulkan-drivers, Arch: vulkan-radeon or vulkan-intel)"
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PciCard {
    address: String,
    vendor: Vendor,
}

/// Display controllers of known vendors, by address. Linux only; empty elsewhere.
fn pci_cards(folder: &Path) -> Vec<PciCard> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut cards: Vec<PciCard> = entries
        .flatten()
        .filter_map(|entry| {
            let text = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
            // Class 0x03: VGA, 3D and other display controllers.
            let vendor = text("class").starts_with("0x03").then(|| Vendor::of(text("vendor").trim()))??;
            Some(PciCard { address: entry.file_name().to_string_lossy().into_owned(), vendor })
        })
        .collect();
    cards.sort_by(|a, b| a.address.cmp(&b.address));
    cards
}

#[cfg(not(target_vendor = "apple"))]
mod loader {
    #![allow(unsafe_code)]

    pub(super) const NAME: &str = if cfg!(windows) { "vulkan-1.dll" } else { "libvulkan.so.1" };
    pub(super) const FIX: &str = if cfg!(windows) {
        "install the driver of the graphics card from its maker"
    } else {
        "install it (Debian and Ubuntu: libvulkan1, Fedora: vulkan-loader, Arch: vulkan-icd-loader) and the driver \
         of the graphics card"
    };

    /// Whether the Vulkan loader can be loaded.
    pub(super) fn is_there() -> bool {
        // SAFETY: loading runs the library's own start-up code and nothing is called in it. It is the library that
        // wgpu loads the same way a moment earlier or later.
        unsafe { libloading::Library::new(NAME) }.is_ok()
    }
}

#[cfg(target_vendor = "apple")]
mod loader {
    pub(super) const NAME: &str = "Metal";
    pub(super) const FIX: &str = super::MACOS;

    pub(super) fn is_there() -> bool {
        true
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("rminer-cards-{name}-{}", std::process::id()));
        let _old = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn display_controllers_of_known_vendors_are_cards() {
        let root = folder("pci");
        for (address, class, vendor) in [
            ("0000:41:00.0", "0x030200\n", "0x10de\n"),
            ("0000:01:00.0", "0x030000\n", "0x1002\n"),
            ("0000:02:00.0", "0x030000\n", "0x1a03\n"),
            ("0000:03:00.0", "0x020000\n", "0x8086\n"),
        ] {
            fs::create_dir_all(root.join(address)).unwrap();
            fs::write(root.join(address).join("class"), class).unwrap();
            fs::write(root.join(address).join("vendor"), vendor).unwrap();
        }
        fs::create_dir_all(root.join("0000:05:00.0")).unwrap();
        let cards = pci_cards(&root);
        assert_eq!(cards.len(), 2, "{cards:?}");
        assert_eq!((cards[0].address.as_str(), cards[0].vendor), ("0000:01:00.0", Vendor::Amd));
        assert_eq!(cards[1].vendor, Vendor::Nvidia);
        assert!(pci_cards(&root.join("nothing")).is_empty());
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_reason_is_the_first_thing_that_is_missing() {
        let nodes = folder("dri");
        let card = PciCard { address: "0000:41:00.0".into(), vendor: Vendor::Nvidia };
        let missing = explain_card(&card, false, &nodes);
        assert_eq!((missing.why, missing.name.as_str()), (Why::NoLoader, "NVIDIA card at 0000:41:00.0"));
        assert!(
            missing.reason.contains("libvulkan.so.1") && missing.fix.contains("libvulkan1"),
            "{missing:?}"
        );
        let missing = explain_card(&card, true, &nodes);
        assert_eq!(missing.why, Why::NoDriver);
        assert!(missing.fix.contains("NVIDIA"), "{missing:?}");
        fs::remove_dir_all(nodes).unwrap();
    }
}
