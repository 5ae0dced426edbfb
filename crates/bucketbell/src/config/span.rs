//! A length of time as people write it.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, de};

/// `500ms`, `5s`, `10m`, `1h 30m`, `7d`. A day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// The text is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time: give one such as `500ms`, `5s`, `10m`, `1h 30m` or `7d`")]
pub struct SpanError(String);

impl Span {
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    pub const fn hours(hours: u64) -> Self {
        Self::secs(hours * 3600)
    }

    pub const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let days = || {
            let days: i64 = text.trim().strip_suffix('d')?.trim_end().parse().ok()?;
            Some(jiff::SignedDuration::from_secs(days.checked_mul(24 * 3600)?))
        };
        let parsed = text.parse::<jiff::SignedDuration>().ok().or_else(days);
        let span = parsed.and_then(|span| Duration::try_from(span).ok());
        span.map(Self).ok_or_else(|| SpanError(text.chars().take(64).collect()))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a time such as `5s`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, millis) in [("500ms", 500), ("5s", 5000), ("1h 30m", 5_400_000), ("7d", 604_800_000), ("0s", 0)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "5", "soon", "-5s", "9999999999999999d", "d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
