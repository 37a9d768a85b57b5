//! What `nvidia-smi` tells about the card, while it works.

use std::process::{Child, Command, Stdio};

use serde::Serialize;

const FIELDS: &str = "name,driver_version,clocks.sm,clocks.max.sm,power.draw,temperature.gpu";

/// One reading.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) sm_clock_mhz: Option<u32>,
    pub(crate) sm_clock_max_mhz: Option<u32>,
    pub(crate) power_w: Option<f64>,
    pub(crate) temperature_c: Option<f64>,
}

/// A reading that is taken while something else runs.
pub(crate) struct Watch(Option<Child>);

impl Watch {
    pub(crate) fn begin() -> Self {
        let child = Command::new("nvidia-smi")
            .args([&format!("--query-gpu={FIELDS}"), "--format=csv,noheader,nounits"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.ok())
    }

    /// The reading; `None` without the program or a card.
    pub(crate) fn end(self) -> Option<State> {
        let output = self.0?.wait_with_output().ok()?;
        parse(&String::from_utf8_lossy(&output.stdout))
    }
}

fn parse(text: &str) -> Option<State> {
    let fields: Vec<&str> = text.lines().next()?.split(", ").map(str::trim).collect();
    let [name, driver, clock, max, power, temperature] = fields[..] else { return None };
    Some(State {
        name: name.to_owned(),
        driver: driver.to_owned(),
        sm_clock_mhz: clock.parse().ok(),
        sm_clock_max_mhz: max.parse().ok(),
        power_w: power.parse().ok(),
        temperature_c: temperature.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_read() {
        let state = parse("NVIDIA H100 80GB HBM3, 550.54, 1755, 1980, 412.33, 41\n").unwrap();
        assert_eq!((state.sm_clock_mhz, state.sm_clock_max_mhz), (Some(1755), Some(1980)));
        assert_eq!(state.power_w, Some(412.33));
        let state = parse("Some card, 1.2, [N/A], 1980, [N/A], 41").unwrap();
        assert_eq!((state.sm_clock_mhz, state.power_w, state.temperature_c), (None, None, Some(41.0)));
        assert!(parse("").is_none());
        assert!(parse("NVIDIA-SMI has failed because it couldn't communicate with the driver").is_none());
    }
}
