//! When migrations may run: windows and freeze periods, and the arithmetic with them.
//!
//! Times are local times of named time zones, and this crate knows no time zones: [`Environment::local_times`] lists the local
//! times that matter, the caller determines which instants they are (a server knows), and [`Environment::opening`] decides.
//! Instants are microseconds since 1970-01-01 00:00 UTC.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;

/// When migrations may run: a period of each day, or of some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunWindow {
    text: String,
    days: Vec<Weekday>,
    /// Seconds since midnight of the day on which it begins.
    from: i64,
    to: i64,
    zone: String,
}

/// When no migration may run: a period of whole days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FreezePeriod {
    text: String,
    first: Date,
    last: Date,
    zone: String,
}

const SECONDS_OF_DAY: i64 = 24 * 60 * 60;

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl TryFrom<String> for RunWindow {
    type Error = String;

    fn try_from(text: String) -> Result<RunWindow, String> {
        let bad = |why: &str| {
            format!(
                "`{text}` is not a window{why}: write it like \"Sat,Sun 01:00-05:00 Europe/Berlin\"; days and time zone are \
                 optional"
            )
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let times = words.iter().position(|word| word.contains(':')).ok_or_else(|| bad(""))?;
        let (from, to) = words[times].split_once('-').ok_or_else(|| bad(""))?;
        let (from, to) = (seconds(from).ok_or_else(|| bad(""))?, seconds(to).ok_or_else(|| bad(""))?);
        if from == SECONDS_OF_DAY {
            return Err(bad(" (24:00 can only be its end)"));
        }
        if from == to {
            return Err(bad(" (it ends when it begins; the whole day is 00:00-24:00)"));
        }
        let days = match &words[..times] {
            [] => DAYS.map(|(_, day)| day).to_vec(),
            names => days(&names.concat())
                .ok_or_else(|| bad(" (days are Mon, Tue, Wed, Thu, Fri, Sat, Sun, and Mon-Fri)"))?,
        };
        let zone = zone(&words[times + 1..]).ok_or_else(|| bad(" (after the times comes a time zone)"))?;
        let to = if to <= from { to + SECONDS_OF_DAY } else { to };
        Ok(RunWindow { days, from, to, zone, text: words.join(" ") })
    }
}

impl TryFrom<String> for FreezePeriod {
    type Error = String;

    fn try_from(text: String) -> Result<FreezePeriod, String> {
        let bad = || {
            format!(
                "`{text}` is not a period: write it like \"2026-12-20/2027-01-02\", or \"2026-12-24 Europe/Berlin\" for one day"
            )
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (dates, rest) = words.split_first().ok_or_else(bad)?;
        let (first, last) = dates.split_once('/').unwrap_or((dates, dates));
        let (first, last) = (date(first).ok_or_else(bad)?, date(last).ok_or_else(bad)?);
        let zone = zone(rest).ok_or_else(bad)?;
        match last < first {
            true => Err(format!("`{text}` ends before it begins")),
            false => Ok(FreezePeriod { first, last, zone, text: words.join(" ") }),
        }
    }
}

impl RunWindow {
    /// The name of its time zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }
}

impl FreezePeriod {
    /// The name of its time zone.
    pub fn zone(&self) -> &str {
        &self.zone
    }
}

impl From<RunWindow> for String {
    fn from(window: RunWindow) -> String {
        window.text
    }
}

impl From<FreezePeriod> for String {
    fn from(period: FreezePeriod) -> String {
        period.text
    }
}

/// As in `refit.toml`.
impl fmt::Display for RunWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// As in `refit.toml`.
impl fmt::Display for FreezePeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Seconds since midnight, from `HH:MM` or `HH:MM:SS`; 24:00 is the end of the day.
fn seconds(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "00"));
    let number = |text: &str| match text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<i64>().ok(),
        false => None,
    };
    let (hours, minutes, seconds) = (number(hours)?, number(minutes)?, number(seconds)?);
    let total = (hours * 60 + minutes) * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= SECONDS_OF_DAY).then_some(total)
}

/// Days of the week, from `Sat,Sun` or `Mon-Fri`.
fn days(text: &str) -> Option<Vec<Weekday>> {
    let index = |name: &str| DAYS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
    let mut found = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (index(first)?, index(last)?);
        // Fri-Mon goes over the end of the week.
        let count = (last + DAYS.len() - first) % DAYS.len() + 1;
        found.extend(DAYS.iter().cycle().skip(first).take(count).map(|(_, day)| *day));
    }
    Some(found)
}

/// A time zone's name; UTC if there is none.
fn zone(words: &[&str]) -> Option<String> {
    match words {
        [] => Some("UTC".to_owned()),
        [name] => {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
            let valid = name.len() <= 64 && name.starts_with(|c: char| c.is_ascii_alphabetic());
            (valid && name.chars().all(allowed)).then(|| (*name).to_owned())
        }
        _ => None,
    }
}

/// A date as YYYY-MM-DD, between 1970 and 2999.
fn date(text: &str) -> Option<Date> {
    let shape = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let date: Date = text.parse().ok().filter(|_| shape && text.len() == 10)?;
    (1970..3000).contains(&date.year()).then_some(date)
}

/// A local time, of which the instant is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime<'e> {
    /// As ISO 8601 without offset: `2026-12-05T01:00:00`.
    pub at: String,
    /// The time zone.
    pub zone: &'e str,
}

/// Whether migrations may run at some instant, and when that changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// Whether there are windows, and this is outside all of them.
    pub is_outside: bool,
    /// The freeze periods that it is in, as indices of [`Environment::freeze`].
    pub frozen: Vec<usize>,
    /// If migrations may not run: the next instant from which they may.
    pub opens: Option<i64>,
    /// If they may: the next instant from which they may not. None if windows follow each other without a gap for two weeks.
    pub closes: Option<i64>,
}

impl Opening {
    /// Whether migrations may run.
    pub fn is_open(&self) -> bool {
        !self.is_outside && self.frozen.is_empty()
    }
}

/// A period from its first instant to the first one after it.
struct Period {
    from: i64,
    to: i64,
}

impl Period {
    fn contains(&self, instant: i64) -> bool {
        self.from <= instant && instant < self.to
    }
}

/// Days after an instant, or after a freeze period, within which each window begins at least once: two weeks, since daylight
/// saving time may skip a short window.
const DAYS_AHEAD: i64 = 16;
const MICROSECONDS_OF_DAY: i64 = 86_400_000_000;

impl Environment {
    /// The local times on which it depends whether migrations may run at `now`, and when that changes.
    pub fn local_times(&self, now: i64) -> Vec<LocalTime<'_>> {
        let mut times = Vec::new();
        let mut add = |from: DateTime, to: DateTime, zone| {
            times.extend([from, to].map(|at| LocalTime { at: at.to_string(), zone }));
        };
        for FreezePeriod { first, last, zone, .. } in &self.freeze {
            add(first.at(0, 0, 0, 0), last.at(0, 0, 0, 0).saturating_add(1.day()), zone);
        }
        let dates = self.dates(now);
        for RunWindow { days, from, to, zone, .. } in &self.windows {
            for date in dates.iter().filter(|date| days.contains(&date.weekday())) {
                let midnight = date.at(0, 0, 0, 0);
                add(midnight.saturating_add(from.seconds()), midnight.saturating_add(to.seconds()), zone);
            }
        }
        times
    }

    /// The dates around `now`, and after each freeze period that has not ended long ago.
    fn dates(&self, now: i64) -> BTreeSet<Date> {
        let now = Timestamp::from_microsecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
        let today = now.to_zoned(TimeZone::UTC).date();
        let last = self.freeze.iter().map(|period| period.last);
        let bases = std::iter::once(today).chain(last.filter(|last| *last >= today.saturating_sub(3.days())));
        bases.flat_map(|base| (-2..=DAYS_AHEAD).map(move |days| base.saturating_add(days.days()))).collect()
    }

    /// Whether migrations may run at `now`. `instants` are those of [`Environment::local_times`] for the same `now`, in its order.
    pub fn opening(&self, now: i64, instants: &[i64]) -> Opening {
        let mut periods = instants.chunks_exact(2).map(|pair| Period { from: pair[0], to: pair[1] });
        let frozen: Vec<Period> = periods.by_ref().take(self.freeze.len()).collect();
        let windows: Vec<Period> = periods.collect();
        let is_outside =
            |at: i64| !self.windows.is_empty() && !windows.iter().any(|window| window.contains(at));
        let is_open = |at: i64| !is_outside(at) && !frozen.iter().any(|period| period.contains(at));
        let opens = windows.iter().map(|window| window.from).chain(frozen.iter().map(|period| period.to));
        // What follows on the last windows of the list is not in it.
        let horizon = now.saturating_add((DAYS_AHEAD - 2) * MICROSECONDS_OF_DAY);
        let ends = windows.iter().map(|window| window.to).filter(|to| *to <= horizon);
        let closes = ends.chain(frozen.iter().map(|period| period.from));
        let open = is_open(now);
        Opening {
            is_outside: is_outside(now),
            frozen: (0..frozen.len()).filter(|index| frozen[*index].contains(now)).collect(),
            opens: opens.filter(|at| !open && *at > now && is_open(*at)).min(),
            closes: closes.filter(|at| open && *at > now && !is_open(*at)).min(),
        }
    }
}

#[cfg(test)]
#[path = "calendar/tests.rs"]
mod tests;
