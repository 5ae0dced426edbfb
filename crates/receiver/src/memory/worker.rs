//! The thread that owns the file. Whatever waits when it comes round shares one transaction, and so one fsync.

use std::{sync::Arc, time::Duration};

use bucketbell_dialect::compare_sequencers;
use bucketbell_event::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::{Known, Mark, MemoryError, Place};

/// Questions in one transaction.
const BATCH_MAX: usize = 256;
/// Rows of one table that one transaction forgets.
const FORGET_ROWS_MAX: usize = 1_000;
/// Events between two rounds of forgetting: fewer than a round takes away, so the file stays bounded.
const FORGET_EVERY: usize = 256;

/// A question to the memory, and where its answer goes.
pub(super) enum Ask {
    Look { mark: Mark, answer: oneshot::Sender<Result<Known, MemoryError>> },
    Remember { mark: Mark, now: Timestamp, answer: oneshot::Sender<Result<(), MemoryError>> },
}

/// Answers until nobody can ask any more.
pub(super) fn run(mut connection: Connection, mut asks: mpsc::Receiver<Ask>, keep: Duration) {
    let mut remembered: usize = 0;
    while let Some(first) = asks.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(ask) = asks.try_recv() else { break };
            batch.push(ask);
        }
        answer(&mut connection, batch, keep, &mut remembered);
    }
}

fn answer(connection: &mut Connection, batch: Vec<Ask>, keep: Duration, remembered: &mut usize) {
    match transact(connection, &batch, keep, remembered) {
        Ok(known) => {
            // Only now is anything durable, so only now does anybody hear of it (A6). Who asked may be gone.
            for (ask, known) in batch.into_iter().zip(known) {
                match ask {
                    Ask::Look { answer, .. } => drop(answer.send(Ok(known))),
                    Ask::Remember { answer, .. } => drop(answer.send(Ok(()))),
                }
            }
        }
        Err(error) => {
            let error = MemoryError::Failed(Arc::new(error));
            for ask in batch {
                match ask {
                    Ask::Look { answer, .. } => drop(answer.send(Err(error.clone()))),
                    Ask::Remember { answer, .. } => drop(answer.send(Err(error.clone()))),
                }
            }
        }
    }
}

/// Does all of the batch in its order, in one transaction, and returns what was known at each place.
fn transact(
    connection: &mut Connection,
    batch: &[Ask],
    keep: Duration,
    remembered: &mut usize,
) -> rusqlite::Result<Vec<Known>> {
    let transaction = connection.transaction()?;
    let mut known = Vec::with_capacity(batch.len());
    for ask in batch {
        known.push(match ask {
            Ask::Look { mark, .. } => look(&transaction, mark)?,
            Ask::Remember { mark, now, .. } => {
                remember(&transaction, mark, *now)?;
                if remembered.is_multiple_of(FORGET_EVERY) {
                    forget(&transaction, now.before(keep))?;
                }
                *remembered += 1;
                Known::Seen
            }
        });
    }
    transaction.commit()?;
    Ok(known)
}

fn look(connection: &Connection, mark: &Mark) -> rusqlite::Result<Known> {
    let seen = connection
        .prepare_cached("SELECT 1 FROM seen WHERE dialect = ?1 AND identity = ?2")?
        .exists(params![mark.dialect, mark.identity])?;
    if seen {
        return Ok(Known::Seen);
    }
    let Some(place) = &mark.place else { return Ok(Known::New { older: false }) };
    let latest = latest(connection, mark.dialect, place)?;
    Ok(Known::New { older: latest.is_some_and(|latest| compare_sequencers(&place.sequencer, &latest).is_lt()) })
}

fn latest(connection: &Connection, dialect: &str, place: &Place) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT sequencer FROM latest WHERE dialect = ?1 AND bucket = ?2 AND key = ?3")?
        .query_row(params![dialect, place.bucket, place.key], |row| row.get(0))
        .optional()
}

fn remember(connection: &Connection, mark: &Mark, now: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO seen (dialect, identity, handled_us) VALUES (?1, ?2, ?3)")?
        .execute(params![mark.dialect, mark.identity, now.as_micros()])?;
    let Some(place) = &mark.place else { return Ok(()) };
    // The latest never goes back (A8).
    match latest(connection, mark.dialect, place)? {
        Some(latest) if compare_sequencers(&place.sequencer, &latest).is_lt() => Ok(()),
        _ => connection
            .prepare_cached(
                "INSERT INTO latest (dialect, bucket, key, sequencer, handled_us) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (dialect, bucket, key) DO UPDATE SET sequencer = excluded.sequencer, handled_us = excluded.handled_us",
            )?
            .execute(params![mark.dialect, place.bucket, place.key, place.sequencer, now.as_micros()])
            .map(|_| ()),
    }
}

fn forget(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM seen WHERE (dialect, identity) IN
           (SELECT dialect, identity FROM seen WHERE handled_us < ?1 ORDER BY handled_us LIMIT ?2)",
        "DELETE FROM latest WHERE (dialect, bucket, key) IN
           (SELECT dialect, bucket, key FROM latest WHERE handled_us < ?1 ORDER BY handled_us LIMIT ?2)",
    ] {
        connection.prepare_cached(statement)?.execute(params![before.as_micros(), FORGET_ROWS_MAX as i64])?;
    }
    Ok(())
}
