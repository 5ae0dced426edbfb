//! Opening: lock the folder, set the connection up, migrate, check the master key.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig, params};
use uuid::Uuid;

use crate::{Clock, MasterKey, Sealer, StoreError, StoreId};

/// The migrations in their order; `PRAGMA user_version` counts those that were applied.
const MIGRATIONS: &[&str] = &[include_str!("schema/0001_first.sql")];
/// How long a connection waits for another's lock. Only the checkpoint thread ever holds one.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Said to a program that is too old for what this one wrote (Y1).
const VERSION: &str = env!("CARGO_PKG_VERSION");
const KEY_CHECK: &str = "this ledger opens with this master key";

/// Where the ledger is and what it needs.
pub struct Config {
    /// The database file. Its folder must exist; a file with the extension `lock` beside it keeps a second process out.
    pub path: PathBuf,
    pub master_key: MasterKey,
    pub clock: Arc<dyn Clock>,
}

/// The ledger as it was found or made.
pub(super) struct Opened {
    pub connection: Connection,
    pub lock: File,
    pub store_id: StoreId,
}

pub(super) fn open(config: &Config, sealer: &Sealer) -> Result<Opened, StoreError> {
    let lock = lock(&config.path)?;
    let mut connection = connect(&config.path)?;
    migrate(&mut connection)?;
    let store_id = identify(&connection, config.clock.as_ref(), sealer)?;
    Ok(Opened { connection, lock, store_id })
}

/// Takes the lock that lives as long as the file handle: the system releases it however the process ends.
fn lock(database: &Path) -> Result<File, StoreError> {
    let path = database.with_extension("lock");
    let folder = database.parent().unwrap_or(database).display().to_string();
    let unusable = |error: std::io::Error| StoreError::ReadOnly(format!("{}: {error}", path.display()));
    let file = private(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: folder }),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Opens a file that only its owner may read, and makes it where there is none.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens the connection that writes.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    if !path.try_exists().is_ok_and(|exists| exists) {
        // SQLite gives its log the mode of the database. It tells by itself, and better, what it cannot open.
        drop(private(path));
    }
    let connection = Connection::open(path)?;
    // The page size must be set before the log exists, incremental vacuum before the first table. FULL: the log is
    // synced at every commit, so what was answered survives a loss of power. Checkpoints are `checkpoint`'s work.
    connection.execute_batch(
        "PRAGMA page_size = 4096;
         PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768;",
    )?;
    connection.busy_timeout(BUSY_WAIT)?;
    let journal: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if journal != "wal" {
        // Some network file systems have no shared memory, and SQLite then keeps its old journal without an error.
        return Err(StoreError::Database(format!(
            "the file system of {} cannot hold a write-ahead log",
            path.display()
        )));
    }
    keep_plans(&connection, 96)?;
    Ok(connection)
}

/// Keeps prepared statements, each with the plan it was prepared with: otherwise SQLite plans one anew whenever a bound
/// value could change the choice, which is at every take.
fn keep_plans(connection: &Connection, statements: usize) -> Result<(), StoreError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(statements);
    Ok(())
}

/// Opens a connection that can only read.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA busy_timeout = 5000;")?;
    keep_plans(&connection, 32)?;
    Ok(connection)
}

/// Applies the migrations that are missing, each in a transaction with its count (Y1).
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::TooNew { found, known, written_by: writer(connection) });
    }
    for (applied, migration) in (1i64..).zip(MIGRATIONS).filter(|(applied, _)| *applied > found) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", applied)?;
        sign(&transaction)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Leaves this program's version behind.
fn sign(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("UPDATE store SET written_by = ?1 WHERE written_by <> ?1", [VERSION])?;
    Ok(())
}

/// Returns the version that [`sign`] left, also from a schema that this program does not know.
fn writer(connection: &Connection) -> String {
    connection
        .query_row("SELECT written_by FROM store", [], |row| row.get(0))
        .unwrap_or_else(|_| "(of which it does not tell the version)".to_owned())
}

/// Makes the `store` row of a new ledger, or checks the key against the one that stands.
fn identify(connection: &Connection, clock: &dyn Clock, sealer: &Sealer) -> Result<StoreId, StoreError> {
    let stored: Option<([u8; 16], Vec<u8>)> =
        connection.query_row("SELECT id, key_check FROM store", [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((id, check)) = stored {
        sealer.open("store", "key_check", &check)?;
        sign(connection)?;
        return Ok(StoreId(Uuid::from_bytes(id)));
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| StoreError::Database(format!("no randomness: {error}")))?;
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    connection.execute(
        "INSERT INTO store (one, id, clock_us, rules_version, key_check, written_by) VALUES (1, ?1, ?2, 0, ?3, ?4)",
        params![
            id.as_bytes(),
            clock.now().as_micros(),
            sealer.seal("store", "key_check", KEY_CHECK.as_bytes())?,
            VERSION
        ],
    )?;
    Ok(StoreId(id))
}
