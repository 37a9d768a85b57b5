//! Hours of the week in which may be hashed, such as `mon-fri 22:00-06:00; sat,sun`.

use super::WeekTime;

/// Minutes of a day and of a week.
const DAY: u16 = 24 * 60;
/// See [`DAY`].
const WEEK: u16 = 7 * DAY;
/// Longest text that is read, in bytes; so many rules are too many to be meant.
const MAX_TEXT: usize = 1024;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Hours of the week, and the text that they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    /// For each minute of the week, from Monday at midnight.
    open: Vec<bool>,
}

impl Schedule {
    /// Reads rules, separated by `;`: days, hours, or days and then hours. Hours that end before they begin go on
    /// into the next day.
    ///
    /// # Errors
    /// Which part is wrong, as the end of a sentence that begins with the setting.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("is longer than {MAX_TEXT} letters"));
        }
        let mut open = vec![false; usize::from(WEEK)];
        let rules: Vec<&str> = text.split(';').map(str::trim).filter(|rule| !rule.is_empty()).collect();
        if rules.is_empty() {
            return Err("has no hours".into());
        }
        for rule in rules {
            let rule = rule.to_ascii_lowercase();
            let (mut days, mut spans) = (Vec::new(), Vec::new());
            for part in rule.split([' ', ',', '\t']).filter(|part| !part.is_empty()) {
                if part.starts_with(|letter: char| letter.is_ascii_digit()) {
                    spans.push(hours(part)?);
                } else if spans.is_empty() {
                    days.extend(read_days(part)?);
                } else {
                    return Err(format!("has `{part}` behind hours; a rule begins with its days"));
                }
            }
            if days.is_empty() {
                days.extend(0..7);
            }
            if spans.is_empty() {
                spans.push((0, DAY));
            }
            for day in days {
                for (from, to) in &spans {
                    for minute in *from..*to {
                        open[usize::from((day * DAY + minute) % WEEK)] = true;
                    }
                }
            }
        }
        Ok(Self { text: text.trim().to_owned(), open })
    }

    /// Whether it may be hashed now.
    pub fn is_open(&self, at: WeekTime) -> bool {
        self.open[Self::index(at)]
    }

    /// In how many minutes that changes, the current one counted whole; `None` when it never does.
    pub fn next_change(&self, at: WeekTime) -> Option<u16> {
        let (start, now) = (Self::index(at), self.is_open(at));
        (1..WEEK).find(|later| self.open[(start + usize::from(*later)) % self.open.len()] != now)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn index(at: WeekTime) -> usize {
        usize::from((u16::from(at.weekday % 7) * DAY + at.minute % DAY) % WEEK)
    }
}

fn read_days(part: &str) -> Result<Vec<u16>, String> {
    let number = |name: &str| {
        let found = (0u16..).zip(DAYS).find(|(_, day)| name.len() >= 3 && name.starts_with(day));
        let full = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
        match found {
            Some((number, _)) if full[usize::from(number)].starts_with(name) => Ok(number),
            _ => Err(format!("has `{name}` where a day such as mon should be")),
        }
    };
    match part {
        "daily" | "all" | "everyday" => return Ok((0..7).collect()),
        "weekdays" => return Ok((0..5).collect()),
        "weekend" => return Ok(vec![5, 6]),
        _ => {}
    }
    let Some((from, to)) = part.split_once('-') else { return Ok(vec![number(part)?]) };
    let (from, to) = (number(from)?, number(to)?);
    // `fri-mon` goes round the end of the week.
    Ok((0..=(to + 7 - from) % 7).map(|step| (from + step) % 7).collect())
}

fn hours(part: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("has `{part}` where hours such as 22:00-06:00 should be");
    let (from, to) = part.split_once('-').ok_or_else(wrong)?;
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
        let digits = |text: &str| {
            (text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
                .then(|| text.parse::<u16>().ok())
                .flatten()
        };
        let at = digits(hour)? * 60 + digits(minute).filter(|minute| *minute < 60)?;
        (at <= DAY).then_some(at)
    };
    let (from, to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
    if from == to || from == DAY {
        return Err(format!("has `{part}`, which is no time at all"));
    }
    Ok((from, if to < from { to + DAY } else { to }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(weekday: u8, hour: u16, minute: u16) -> WeekTime {
        WeekTime { weekday, minute: hour * 60 + minute }
    }

    #[test]
    fn nights_belong_to_the_day_on_which_they_begin() {
        let schedule = Schedule::parse("mon-fri 22:00-06:00; sat,sun").unwrap();
        for (time, open) in [
            (at(0, 5, 59), false),
            (at(0, 21, 59), false),
            (at(0, 22, 0), true),
            (at(1, 5, 59), true),
            (at(1, 6, 0), false),
            (at(4, 23, 0), true),
            (at(5, 12, 0), true),
            (at(6, 23, 59), true),
        ] {
            assert_eq!(schedule.is_open(time), open, "{time:?}");
        }
        assert_eq!(schedule.next_change(at(0, 21, 0)), Some(60));
        assert_eq!(schedule.next_change(at(4, 22, 0)), Some(2 * 1440 + 120), "from Friday night to Monday");
    }

    #[test]
    fn other_spellings() {
        let open = |text: &str, time| Schedule::parse(text).unwrap().is_open(time);
        assert!(open("22-6", at(3, 3, 0)));
        assert!(open("fri-mon", at(6, 3, 0)) && !open("fri-mon", at(2, 3, 0)));
        assert!(open("Weekend 0:00-24:00", at(6, 23, 59)) && !open("weekend", at(0, 0, 0)));
        assert!(open("monday 8:00-9:00, 10:00-11:00", at(0, 10, 30)));
        assert!(open("sun 23:00-1:00", at(0, 0, 30)), "round the end of the week");
        assert_eq!(Schedule::parse("daily").unwrap().next_change(at(0, 0, 0)), None);
        for wrong in [
            "",
            ";",
            "mon 8",
            "mon 25:00-26:00",
            "8:60-9:00",
            "8:00-8:00",
            "24:00-3:00",
            "someday",
            "mo",
            "8:00-9:00 mon",
            "montag",
        ] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Schedule::parse(&"mon;".repeat(MAX_TEXT)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "([a-z0-9:;, -]|mon|sun|22:00-06:00){0,40}", weekday in 0u8..7, minute in 0u16..1440) {
            if let Ok(schedule) = Schedule::parse(&text) {
                let now = WeekTime { weekday, minute };
                if let Some(wait) = schedule.next_change(now) {
                    let then = u32::from(weekday) * 1440 + u32::from(minute) + u32::from(wait);
                    let then = WeekTime { weekday: u8::try_from(then / 1440 % 7).unwrap(), minute: u16::try_from(then % 1440).unwrap() };
                    prop_assert_ne!(schedule.is_open(now), schedule.is_open(then));
                }
            }
        }
    }
}
