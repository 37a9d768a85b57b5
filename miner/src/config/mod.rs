//! What was written becomes what it means: flags, environment and file in, [`Settings`] out.

mod resolved;

pub use resolved::{
    CpuSettings, DevicePattern, DeviceSelection, HugePages, LogFormat, LogSettings, MAX_POOLS, RandomxMode,
    Settings, UiKind, When,
};
