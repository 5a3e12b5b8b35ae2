//! Durations in settings: short ones of locks, and long ones of records.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

pub(super) const DAY: u64 = 24 * 60 * 60;

/// Reads a duration such as `"500ms"`, `"2s"` or `"1min"`, above zero and below a day.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration: write it like \"500ms\", \"2s\" or \"1min\"");
    let duration: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    let duration = Duration::try_from(duration).map_err(|_| bad())?;
    if duration < Duration::from_millis(1) || duration >= Duration::from_secs(86_400) {
        return Err(format!("`{text}` is out of range: use at least 1ms and less than a day"));
    }
    Ok(duration)
}

/// Reads a longer one, such as `"30d"`, `"2w"` or `"12h"`; a day has 24 hours.
pub(super) fn parse_days(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration: write it like \"30d\", \"2w\" or \"12h\"");
    let span: jiff::Span = text.parse().map_err(|_| bad())?;
    let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| bad())?;
    let duration = Duration::try_from(duration).map_err(|_| bad())?;
    if duration < Duration::from_secs(1) || duration > Duration::from_secs(36_500 * DAY) {
        return Err(format!("`{text}` is out of range: use at least 1s and at most 100 years (36500d)"));
    }
    Ok(duration)
}

pub(super) fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_days(&text).map_err(serde::de::Error::custom)
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

pub(super) fn duration_text<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{}ms", duration.as_millis()))
}
