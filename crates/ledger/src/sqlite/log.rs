//! The write-ahead log's length: what the writer does about it between two transactions.
//!
//! Under steady load a checkpoint beside the writer never catches up, because there is always a newer frame, and only a
//! log that is copied to its end can start anew. So the writer itself copies the rest of a log that has become too long,
//! which `checkpoint` keeps short.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rusqlite::Connection;

/// A log beyond this size is restarted. `journal_size_limit` cuts the file back to it.
pub(super) const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How long the writer waits for readers of the old log to finish, and with it every write (FN-2).
const RESTART_WAIT: Duration = Duration::from_millis(100);
/// From a restart that a reader kept from finishing to the next: a reader that stays makes the log longer, not the
/// writes slow.
const READER_WAIT: Duration = Duration::from_secs(5);

/// The log beside a database, as its writer sees it.
pub(super) struct Log {
    path: PathBuf,
    bytes_max: u64,
    /// No restart before.
    again: Option<Instant>,
    /// Length of the file when it was last restarted: the first frame of the new log is what cuts it back.
    restarted: Option<u64>,
}

impl Log {
    pub fn of(database: &Path, bytes_max: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), bytes_max, again: None, restarted: None }
    }

    /// Restarts the log when it has become too long.
    pub fn relieve(&mut self, connection: &Connection) {
        // What SQLite would tell after each commit is at the file as well, and a look costs a microsecond.
        let length = std::fs::metadata(&self.path).map_or(0, |log| log.len());
        if length <= self.bytes_max {
            self.restarted = None;
            return;
        }
        if self.restarted == Some(length) || self.again.is_some_and(|again| Instant::now() < again) {
            return;
        }
        self.again = None;
        match restart(connection) {
            Ok(Restart::Done) => self.restarted = Some(length),
            Ok(Restart::Reader) => self.again = Some(Instant::now() + READER_WAIT),
            // It ends soon, and asking cost no time.
            Ok(Restart::Checkpoint) => {}
            Err(error) => {
                self.again = Some(Instant::now() + READER_WAIT);
                tracing::warn!(error = %error, "the ledger's log could not be restarted and goes on growing");
            }
        }
    }
}

/// What became of a restart.
enum Restart {
    Done,
    /// A reader is still in the old log after [`RESTART_WAIT`].
    Reader,
    /// The checkpoint thread is at work.
    Checkpoint,
}

/// Copies the rest of the log and starts it anew.
fn restart(connection: &Connection) -> rusqlite::Result<Restart> {
    connection.busy_timeout(RESTART_WAIT)?;
    // The answer: whether it was kept from finishing, and pages in the log, -1 when it could not even begin.
    let done = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| {
        Ok(match (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?) {
            (0, _) => Restart::Done,
            (_, ..0) => Restart::Checkpoint,
            _ => Restart::Reader,
        })
    });
    connection.busy_timeout(super::open::BUSY_WAIT)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::checkpoint::Checkpointer;

    const MIB: u64 = 1024 * 1024;

    /// The log once grew for five seconds after each restart, whatever the load: to 550 MB.
    #[test]
    fn the_log_is_bounded_under_steady_load() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("ledger.db");
        let connection = Connection::open(&database).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0;
                 PRAGMA journal_size_limit = 1048576; CREATE TABLE load (id INTEGER PRIMARY KEY, body BLOB);",
            )
            .unwrap();
        let _checkpointer = Checkpointer::start(&database).unwrap();
        let mut log = Log::of(&database, MIB);
        let length = || std::fs::metadata(folder.path().join("ledger.db-wal")).unwrap().len();
        let mut longest = 0;
        for write in 0..1000 {
            let body = rusqlite::params![write % 8, vec![0u8; 64 * 1024]];
            connection.execute("INSERT OR REPLACE INTO load VALUES (?1, ?2)", body).unwrap();
            log.relieve(&connection);
            longest = longest.max(length());
        }
        assert!(longest > MIB && longest < 16 * MIB, "the log of 64 MiB of writes was {longest} bytes long");
    }

    #[test]
    fn a_reader_that_stays_is_waited_for_once_in_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("ledger.db");
        let connection = Connection::open(&database).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE load (body BLOB);")
            .unwrap();
        let reader = Connection::open(&database).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM load").unwrap();
        let mut log = Log::of(&database, 0);
        connection.execute("INSERT INTO load VALUES (zeroblob(9999))", []).unwrap();
        log.relieve(&connection);
        assert!(log.again.is_some(), "kept from finishing");
        reader.execute_batch("COMMIT").unwrap();
        log.again = None;
        connection.execute("INSERT INTO load VALUES (zeroblob(9999))", []).unwrap();
        log.relieve(&connection);
        assert!(log.again.is_none() && log.restarted.is_some());
    }
}
