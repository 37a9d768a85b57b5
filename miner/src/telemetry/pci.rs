//! PCI addresses, which drivers write in several ways.

use std::fmt;

/// Where a device sits on the PCI bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PciAddress {
    pub(super) domain: u32,
    pub(super) bus: u8,
    pub(super) device: u8,
    pub(super) function: u8,
}

impl PciAddress {
    /// From `0000:0b:00.0`, `00000000:0B:00.0`, or without a domain. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, function) = text.trim().rsplit_once('.')?;
        let mut parts = text.rsplit(':');
        let device = hex(parts.next()?, 2)?;
        let bus = hex(parts.next()?, 2)?;
        let domain = parts.next().map_or(Some(0), |domain| hex(domain, 8))?;
        let function = hex(function, 1).filter(|function| *function < 8)?;
        if parts.next().is_some() || device > 0x1f {
            return None;
        }
        let byte = |value: u32| u8::try_from(value).ok();
        Some(Self { domain, bus: byte(bus)?, device: byte(device)?, function: byte(function)? })
    }
}

/// As the kernel names the device's folder.
impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

fn hex(text: &str, most_digits: usize) -> Option<u32> {
    let is_hex = !text.is_empty() && text.len() <= most_digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex { u32::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_one() {
        let known = PciAddress { domain: 0, bus: 0x0b, device: 0, function: 0 };
        for text in ["0000:0b:00.0", "00000000:0B:00.0", "0b:00.0", " 0000:0B:00.0\n", "0:b:0.0"] {
            assert_eq!(PciAddress::parse(text), Some(known), "{text:?}");
        }
        assert_eq!(known.to_string(), "0000:0b:00.0");
        let far = PciAddress::parse("00010001:FF:1f.7").unwrap();
        assert_eq!(far.to_string(), "10001:ff:1f.7");
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "0b:00",
            "0000:0b:20.0",
            "0000:0b:00.8",
            "1:0000:0b:00.0",
            "nvme0",
            "0000:0b:+1.0",
            "0000::00.0",
        ] {
            assert_eq!(PciAddress::parse(text), None, "{text:?}");
        }
    }
}
