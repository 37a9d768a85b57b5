//! One card.

use std::time::Instant;

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor, TemperatureThreshold};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_MEMORY_TEMP;
use nvml_wrapper::{Device, Nvml};

use super::ASK_AGAIN;
use crate::telemetry::energy::{Energy, Sample};
use crate::telemetry::pci::PciAddress;
use crate::telemetry::plausible::{plausible_celsius, plausible_fan, plausible_hertz};
use crate::telemetry::{DeviceReadings, Place, Temperature};

/// No card has more fans.
const MAX_FANS: u32 = 16;
/// Energy is in thousandths of a joule, power in thousandths of a watt.
const MILLI: f64 = 1e-3;

/// A card that is watched.
pub(super) struct Card {
    /// `gpu0`, …
    pub(super) id: String,
    address: PciAddress,
    /// What does not change while the driver is loaded.
    constants: Option<Constants>,
    /// When it was lost.
    lost_at: Option<Instant>,
    /// Why it cannot be asked.
    pub(super) fault: Option<NvmlError>,
    used: Energy,
}

#[derive(Debug, Clone, Copy)]
struct Constants {
    core_limit_c: Option<f64>,
    memory_limit_c: Option<f64>,
    fans: u32,
}

/// Why a card says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The library must be loaded anew.
    Stale,
    /// This card alone is concerned.
    Card,
}

impl Card {
    pub(super) fn new(id: &str, address: PciAddress) -> Self {
        Self {
            id: id.to_owned(),
            address,
            constants: None,
            lost_at: None,
            fault: None,
            used: Energy::default(),
        }
    }

    /// Whether it was lost and it is time to ask it again.
    pub(super) fn is_asked_again(&self, now: Instant) -> bool {
        self.lost_at.is_some_and(|at| now.saturating_duration_since(at) >= ASK_AGAIN)
    }

    /// The library was loaded anew.
    pub(super) fn forget_handle(&mut self) {
        self.constants = None;
    }

    /// What it says now.
    pub(super) fn read(&mut self, nvml: &Nvml, now: Instant) -> Result<DeviceReadings, Fault> {
        if self.lost_at.is_some() && !self.is_asked_again(now) {
            return Err(Fault::Card);
        }
        let read = self.ask(nvml, now);
        let fault = match read {
            Ok(readings) => {
                (self.lost_at, self.fault) = (None, None);
                return Ok(readings);
            }
            Err(fault) => fault,
        };
        self.constants = None;
        let is_stale = matches!(
            fault,
            NvmlError::Uninitialized | NvmlError::DriverNotLoaded | NvmlError::LibRmVersionMismatch
        );
        self.lost_at = is_lost(&fault).then_some(now);
        self.fault = Some(fault);
        Err(if is_stale { Fault::Stale } else { Fault::Card })
    }

    /// All readings, those left out that cannot be had. An error when the card or the library is gone.
    fn ask(&mut self, nvml: &Nvml, now: Instant) -> Result<DeviceReadings, NvmlError> {
        let device = nvml.device_by_pci_bus_id(self.bus_id())?;
        let constants = match self.constants {
            Some(constants) => constants,
            None => {
                // Rather nothing than the readings of another card.
                let there = PciAddress::parse(&device.pci_info()?.bus_id);
                if there != Some(self.address) {
                    return Err(NvmlError::NotFound);
                }
                *self.constants.insert(Constants::of(&device)?)
            }
        };
        let mut readings = DeviceReadings::default();
        let core = known(device.temperature(TemperatureSensor::Gpu))?;
        let memory = known(memory_temperature(&device))?.flatten();
        let places = [
            (Place::Core, core.map(f64::from), constants.core_limit_c),
            (Place::Memory, memory, constants.memory_limit_c),
        ];
        for (place, celsius, limit_c) in places {
            if let Some(now_c) = celsius.and_then(plausible_celsius) {
                readings.temperatures.push(Temperature { place, now_c, limit_c, at: now });
            }
        }
        let sample = Sample {
            counter_j: known(device.total_energy_consumption())?.map(|mj| mj as f64 * MILLI),
            range_j: None,
            power_w: known(device.power_usage())?.map(|mw| f64::from(mw) * MILLI),
        };
        (readings.power_w, readings.energy_j) = self.used.update(now, sample);
        if readings.power_w.is_some() || readings.energy_j.is_some() {
            readings.power_source = Some("nvml");
        }
        for fan in 0..constants.fans {
            let ratio = known(device.fan_speed(fan))?.map(|percent| f64::from(percent) / 100.0);
            readings.fan_ratios.extend(ratio.and_then(plausible_fan));
        }
        for (domain, clock) in [("core", Clock::Graphics), ("memory", Clock::Memory)] {
            let hertz = known(device.clock_info(clock))?.map(|mhz| f64::from(mhz) * 1e6);
            if let Some(hertz) = hertz.and_then(plausible_hertz) {
                readings.clocks_hz.insert(domain, hertz);
            }
        }
        readings.throttled = known(device.current_throttle_reasons())?.map(causes).unwrap_or_default();
        Ok(readings)
    }

    /// As the library writes addresses.
    fn bus_id(&self) -> String {
        let PciAddress { domain, bus, device, function } = self.address;
        format!("{domain:08X}:{bus:02X}:{device:02X}.{function:X}")
    }
}

impl Constants {
    fn of(device: &Device<'_>) -> Result<Self, NvmlError> {
        let limit = |threshold| -> Result<Option<f64>, NvmlError> {
            let celsius = known(device.temperature_threshold(threshold))?;
            Ok(celsius.map(f64::from).and_then(plausible_celsius))
        };
        Ok(Self {
            core_limit_c: limit(TemperatureThreshold::Slowdown)?,
            memory_limit_c: limit(TemperatureThreshold::MemoryMax)?,
            fans: known(device.num_fans())?.unwrap_or(0).min(MAX_FANS),
        })
    }
}

/// A reading that may be missing. Only an error that concerns the whole card or library is one.
fn known<T>(reading: Result<T, NvmlError>) -> Result<Option<T>, NvmlError> {
    match reading {
        Ok(value) => Ok(Some(value)),
        Err(
            fault @ (NvmlError::Uninitialized
            | NvmlError::DriverNotLoaded
            | NvmlError::LibRmVersionMismatch
            | NvmlError::GpuLost
            | NvmlError::ResetRequired),
        ) => Err(fault),
        Err(_) => Ok(None),
    }
}

fn is_lost(fault: &NvmlError) -> bool {
    matches!(fault, NvmlError::GpuLost | NvmlError::ResetRequired)
}

/// The memory's temperature; most cards for games have none.
fn memory_temperature(device: &Device<'_>) -> Result<Option<f64>, NvmlError> {
    let values = device.field_values_for(&[FieldId(NVML_FI_DEV_MEMORY_TEMP)])?;
    let Some(Ok(sample)) = values.into_iter().next() else { return Ok(None) };
    Ok(match sample.value? {
        SampleValue::U32(celsius) => Some(f64::from(celsius)),
        SampleValue::F64(celsius) => Some(celsius),
        SampleValue::U64(celsius) => Some(celsius as f64),
        SampleValue::I64(celsius) => Some(celsius as f64),
    })
}

/// Names of what slows a card down. One that idles is not slowed down.
fn causes(reasons: ThrottleReasons) -> Vec<&'static str> {
    const NAMES: [(ThrottleReasons, &str); 8] = [
        (ThrottleReasons::SW_POWER_CAP, "power-cap"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "thermal"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hardware-thermal"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power-brake"),
        (ThrottleReasons::HW_SLOWDOWN, "hardware"),
        (ThrottleReasons::SYNC_BOOST, "sync-boost"),
        (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "application-clocks"),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display-clock"),
    ];
    NAMES.iter().filter(|(reason, _)| reasons.contains(*reason)).map(|(_, name)| *name).collect()
}
