//! The names of the dialects: what a rule may ask for, and what a receiver's path may say.

use std::{fmt, str::FromStr};

/// The outward behaviour that a rule chooses: body, headers, signature and what counts as a yes (X8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DialectName {
    /// CloudEvents 1.0 structured JSON under Standard Webhooks headers.
    #[default]
    Bucketbell,
}

/// The system whose notifications come in: the last segment of `/webhooks/<dialect>` (A1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncomingDialect {
    /// What [`DialectName::Bucketbell`] sends.
    Bucketbell,
    /// CloudEvents with a signature of the body.
    S3Orchestrator,
    /// Records under a bearer token, event names with `s3:` (A2).
    Minio,
    /// Records 2.x as S3 writes them, and its flat test message.
    Aws,
}

/// The text names no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect `{name}`: there is {known}")]
pub struct UnknownDialect {
    name: String,
    known: String,
}

impl DialectName {
    /// Every dialect that can be sent.
    pub const ALL: &[Self] = &[Self::Bucketbell];

    /// Returns the name as rules write it. A released name never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bucketbell => "bucketbell",
        }
    }
}

impl IncomingDialect {
    /// Every dialect that can be received.
    pub const ALL: &[Self] = &[Self::Bucketbell, Self::S3Orchestrator, Self::Minio, Self::Aws];

    /// Returns the name as paths write it. A released name never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bucketbell => "bucketbell",
            Self::S3Orchestrator => "s3-orchestrator",
            Self::Minio => "minio",
            Self::Aws => "aws",
        }
    }
}

impl UnknownDialect {
    fn new(name: &str, known: impl Iterator<Item = &'static str>) -> Self {
        let known = known.map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
        Self { name: name.chars().take(64).collect(), known }
    }
}

impl fmt::Display for DialectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Display for IncomingDialect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for DialectName {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = Self::ALL.iter().copied();
        all.clone().find(|known| known.as_str() == name).ok_or_else(|| UnknownDialect::new(name, all.map(Self::as_str)))
    }
}

impl FromStr for IncomingDialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = Self::ALL.iter().copied();
        all.clone().find(|known| known.as_str() == name).ok_or_else(|| UnknownDialect::new(name, all.map(Self::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_parses_back() {
        for &dialect in DialectName::ALL {
            assert_eq!(dialect.as_str().parse(), Ok(dialect));
        }
        for &dialect in IncomingDialect::ALL {
            assert_eq!(dialect.as_str().parse(), Ok(dialect));
        }
    }

    #[test]
    fn an_unknown_dialect_is_named_and_the_known_ones_are_listed() {
        let error = "klingon".parse::<IncomingDialect>().expect_err("there is no such dialect");
        assert_eq!(
            error.to_string(),
            "unknown dialect `klingon`: there is `bucketbell`, `s3-orchestrator`, `minio`, `aws`"
        );
        assert!("Bucketbell".parse::<DialectName>().is_err(), "names are exact");
    }
}
