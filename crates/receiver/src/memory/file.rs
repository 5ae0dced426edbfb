//! The file: opened alone, and only when it is ours.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, ErrorCode};

use super::MemoryError;

/// `application_id` of the file: the letters `bbrm`.
const APPLICATION: i64 = 0x6262_726d;
/// `user_version` of the file. A new one comes with its migration.
const FORMAT: i64 = 1;

/// Opens the file for this process alone and makes the tables where there are none.
pub(super) fn open(path: &Path) -> Result<Connection, MemoryError> {
    let failed = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => MemoryError::InUse { path: path.to_owned() },
        _ => MemoryError::Open { path: path.to_owned(), source: Arc::new(source) },
    };
    let connection = Connection::open(path).map_err(failed)?;
    // Exclusive, before the file is first touched: a second receiver fails here instead of handling events twice.
    connection
        .execute_batch(
            "PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             BEGIN IMMEDIATE; COMMIT;",
        )
        .map_err(failed)?;
    let number =
        |pragma| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0)).map_err(failed);
    let tables =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(failed)?;
    match (number("application_id")?, number("user_version")?) {
        (0, 0) if tables == 0 => create(&connection).map_err(failed)?,
        (APPLICATION, FORMAT) => {}
        (APPLICATION, found) => return Err(MemoryError::Newer { path: path.to_owned(), found, known: FORMAT }),
        _ => return Err(MemoryError::Foreign { path: path.to_owned() }),
    }
    Ok(connection)
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN; {} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;",
        include_str!("schema.sql")
    ))
}
