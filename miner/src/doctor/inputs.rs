//! What the settings and the devices of a run say to a look at its machine.

use super::facts::{Inputs, SettingsFacts};
use crate::config::Settings;
use crate::devices::{Chosen, LeftOut};
use crate::problem::Problem;
use crate::setup::hugepages::Need;
use crate::telemetry::DeviceKind;

impl Inputs {
    /// Of a run with these devices.
    pub fn of(settings: &Settings, chosen: &[Chosen], left_out: &[LeftOut]) -> Self {
        let is_cpu = |device: &&Chosen| DeviceKind::of(&device.id) == DeviceKind::Cpu;
        let cpus = chosen.iter().filter(is_cpu);
        let nodes =
            (0u32..).zip(cpus).map(|(node, cpu)| (node, u32::try_from(cpu.workers).unwrap_or(u32::MAX)));
        let threads_by_node: Vec<_> = nodes.collect();
        let mines_on_cpus = !threads_by_node.is_empty();
        let needs_pages = mines_on_cpus
            && settings.algorithm.engine == rminer_algos::registry::RANDOMX.engine
            && settings.cpu.huge_pages != crate::config::HugePages::Off;
        Self {
            need: needs_pages.then_some(Need { threads_by_node }),
            mines_on_cpus,
            left_out: left_out.iter().filter(|device| is_worth_a_word(device)).cloned().collect(),
            state_folder: settings.state_folder.clone(),
            config_file: settings.config_file.clone(),
            settings: SettingsFacts::of(settings),
        }
    }
}

impl SettingsFacts {
    /// Of settings that hold.
    pub fn of(settings: &Settings) -> Self {
        let schedule = settings.effective.iter().find(|setting| setting.key.ends_with("schedule"));
        let schedule =
            schedule.filter(|setting| setting.origin != "default").map(|setting| setting.value.clone());
        Self {
            problems: settings.warnings.clone(),
            api_bind: settings.api.bind,
            api_token_file: settings.api.token_file.clone(),
            schedule,
            temperatures: settings.safety.temperatures.clone(),
        }
    }

    /// Of settings with faults.
    pub fn broken(problems: Vec<Problem>) -> Self {
        Self { problems, ..Self::default() }
    }
}

/// Cards that were not asked for, and processors that play a card, are no fault.
fn is_worth_a_word(device: &LeftOut) -> bool {
    device.id.starts_with("gpu")
        && device.help.iter().any(|help| !help.is_empty() && !help.starts_with("--devices"))
}
