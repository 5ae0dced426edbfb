//! R-sqlite: an object upserted and an event of 600 bytes inserted, a group in each transaction, `synchronous=FULL`.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, params};

/// Keys that the upserts go round on: some hit a row, as overwrites do.
const KEYS: u64 = 200_000;
const EVENT_BYTES: usize = 600;
const ETAG: &str = "15986aaa2edb1a5148af59d63d59e281";

const SCHEMA: &str = "
CREATE TABLE object (
  bucket INTEGER NOT NULL, key BLOB NOT NULL, version INTEGER NOT NULL, size INTEGER, etag TEXT, content_type TEXT,
  modified INTEGER, PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE event (id INTEGER PRIMARY KEY, body BLOB NOT NULL);";
const UPSERT: &str = "
INSERT INTO object VALUES (1, ?1, ?2, ?3, ?4, 'image/jpeg', ?2)
ON CONFLICT (bucket, key) DO UPDATE SET version = excluded.version, size = excluded.size, etag = excluded.etag,
  content_type = excluded.content_type, modified = excluded.modified";
const INSERT: &str = "INSERT INTO event (id, body) VALUES (?1, ?2)";

/// A database with the two tables, and how many mutations it has seen.
pub struct Table {
    connection: Connection,
    count: u64,
    body: Vec<u8>,
}

impl Table {
    /// Makes the database in `folder`.
    ///
    /// # Errors
    ///
    /// When SQLite does.
    pub fn make(folder: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(folder.join("reference.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;",
        )?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection, count: 0, body: vec![b'x'; EVENT_BYTES] })
    }

    /// Commits `group` mutations in one transaction.
    ///
    /// # Errors
    ///
    /// When SQLite does.
    pub fn commit(&mut self, group: u64) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for _ in 0..group {
            self.count += 1;
            // Fibonacci hashing: spreads neighbours over the tree, as keys of many clients are.
            let key = format!("images/2026/11/{:08x}.jpg", self.count.wrapping_mul(0x9E37_79B9_7F4A_7C15) % KEYS);
            let version = i64::try_from(self.count).unwrap_or(i64::MAX);
            self.connection.prepare_cached(UPSERT)?.execute(params![key.as_bytes(), version, version, ETAG])?;
            self.connection.prepare_cached(INSERT)?.execute(params![version, self.body])?;
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

/// Commits at least `mutations` in groups, in a new database, and returns how many a second.
///
/// # Errors
///
/// When SQLite does.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub fn rate(folder: &Path, group: u64, mutations: u64) -> rusqlite::Result<f64> {
    let mut table = Table::make(folder)?;
    let began = Instant::now();
    while table.count < mutations {
        table.commit(group)?;
    }
    Ok(table.count as f64 / began.elapsed().as_secs_f64())
}
