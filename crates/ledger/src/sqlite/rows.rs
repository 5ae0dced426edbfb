//! Between SQLite's values and ours.

use bucketbell_event::Sequencer;
use rusqlite::ErrorCode;

use crate::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::ReadOnly(error.to_string())
            }
            _ => Self::Database(error.to_string()),
        }
    }
}

/// SQLite's integers are signed: sequencers, sizes and numbers stay below 2^63 for the next 290,000 years.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The schema has no negative sizes and numbers.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn sequencer(value: i64) -> Sequencer {
    Sequencer::from_u64(unsigned(value))
}

/// Returns the value, or says which row the schema forbids.
pub(super) fn parsed<T, E>(
    result: Result<T, E>,
    table: &'static str,
    column: &'static str,
    row: impl std::fmt::Display,
) -> Result<T, StoreError> {
    result.map_err(|_| StoreError::Inconsistency { table, column, row: row.to_string() })
}
