//! What sensors may say. Drivers answer with zeros, all ones and leftovers when a sensor is asleep or gone; such a value
//! counts as not known.

/// No silicon mines below this, in degrees Celsius, and it is what a missing sensor says.
const COLDEST_C: f64 = 0.0;
/// No silicon works above this, in degrees Celsius.
const HOTTEST_C: f64 = 150.0;
/// No single device draws more, in watts.
const MOST_W: f64 = 3000.0;
/// Some fans report a little more than their rated speed; none reports this.
const FASTEST_FAN: f64 = 2.0;
/// No clock in a device is faster, in hertz.
const FASTEST_HZ: f64 = 100e9;

/// A temperature in degrees Celsius, if it can be one.
pub(super) fn plausible_celsius(celsius: f64) -> Option<f64> {
    (celsius > COLDEST_C && celsius <= HOTTEST_C).then_some(celsius)
}

/// A device's power in watts, if it can be one.
pub(super) fn plausible_watts(watts: f64) -> Option<f64> {
    (0.0..=MOST_W).contains(&watts).then_some(watts)
}

/// A fan's speed as a share of its full one, if it can be one.
pub(super) fn plausible_fan(ratio: f64) -> Option<f64> {
    (0.0..=FASTEST_FAN).contains(&ratio).then_some(ratio)
}

/// A clock in hertz, if it can be one. Zero is a clock that stands still.
pub(super) fn plausible_hertz(hertz: f64) -> Option<f64> {
    (0.0..=FASTEST_HZ).contains(&hertz).then_some(hertz)
}

/// A counter of energy in joules, if it can be one: all ones are none.
pub(super) fn plausible_counter(joules: f64) -> Option<f64> {
    // What the most would use in a hundred years.
    (0.0..=MOST_W * 100.0 * 31_557_600.0).contains(&joules).then_some(joules)
}

/// Energy in joules that a device used within so many seconds, if it can have.
pub(super) fn plausible_joules(joules: f64, seconds: f64) -> Option<f64> {
    // Counters tick in steps of up to some tens of milliseconds, also between two looks in a row.
    const TICK_S: f64 = 0.1;
    (joules >= 0.0 && joules <= MOST_W * (seconds + TICK_S)).then_some(joules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_values_are_not_known() {
        assert_eq!([-1.0, 0.0, 151.0, 255.0, f64::NAN].map(plausible_celsius), [None; 5]);
        assert_eq!([0.5, 45.0, 150.0].map(plausible_celsius), [Some(0.5), Some(45.0), Some(150.0)]);
        assert_eq!([-0.1, 3000.1, 4_294_967.295, f64::INFINITY].map(plausible_watts), [None; 4]);
        assert_eq!([0.0, 300.0].map(plausible_watts), [Some(0.0), Some(300.0)]);
        assert_eq!([-0.1, 2.01, f64::NAN].map(plausible_fan), [None; 3]);
        assert_eq!([0.0, 1.02].map(plausible_fan), [Some(0.0), Some(1.02)]);
        assert_eq!([-1.0, 1e12].map(plausible_hertz), [None; 2]);
        assert_eq!(plausible_hertz(1.8e9), Some(1.8e9));
        assert_eq!([-1.0, u64::MAX as f64 * 1e-3, f64::NAN].map(plausible_counter), [None; 3]);
        assert_eq!(plausible_counter(262_143.3), Some(262_143.3));
        assert_eq!(plausible_joules(6301.0, 2.0), None);
        assert_eq!(plausible_joules(-1.0, 2.0), None);
        assert_eq!(plausible_joules(600.0, 2.0), Some(600.0));
    }
}
