//! The journal of blobs: staged before their first byte, forgotten after their last.

use std::time::Duration;

use bucketbell_event::Timestamp;
use rusqlite::{Connection, params};

use super::writer::Tx;
use crate::{BlobId, StoreError};

pub(super) fn removable(
    connection: &Connection,
    epoch: i64,
    freed_before: Timestamp,
    max: usize,
) -> Result<Vec<BlobId>, StoreError> {
    let max = i64::try_from(max).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT id FROM blob WHERE state = 'freed' AND state <> 'live' AND since_us < ?1
         UNION ALL SELECT id FROM blob WHERE state = 'staged' AND state <> 'live' AND epoch < ?2 LIMIT ?3",
    )?;
    let ids = statement.query_map(params![freed_before.as_micros(), epoch, max], |row| row.get(0))?;
    Ok(ids.map(|id| id.map(BlobId::from_bytes)).collect::<Result<_, _>>()?)
}

impl Tx<'_> {
    pub fn stage_blob(&self, blob: BlobId) -> Result<(), StoreError> {
        let epoch = self.memory.epoch().unwrap_or(0);
        self.run(
            "INSERT INTO blob (id, state, epoch, since_us) VALUES (?1, 'staged', ?2, ?3)",
            params![blob.as_bytes(), epoch, self.clock.now().as_micros()],
        )?;
        Ok(())
    }

    pub fn unstage_blob(&self, blob: BlobId) -> Result<(), StoreError> {
        self.run("DELETE FROM blob WHERE id = ?1 AND state = 'staged'", [blob.as_bytes()])?;
        Ok(())
    }

    pub fn removable_blobs(&self, unreferenced_for: Duration, max: usize) -> Result<Vec<BlobId>, StoreError> {
        // What this instance staged is being written; before there is one, nobody knows what a lost one left.
        let epoch = self.memory.epoch().unwrap_or(0);
        let blobs = removable(self.connection, epoch, self.clock.now().before(unreferenced_for), max)?;
        for blob in &blobs {
            // From here on no commit can refer to it, however late its writer wakes up: its bytes may go now (OB-2).
            self.run(
                "UPDATE blob SET state = 'freed', since_us = 0 WHERE id = ?1 AND state = 'staged'",
                [blob.as_bytes()],
            )?;
        }
        Ok(blobs)
    }

    pub fn forget_blobs(&self, blobs: &[BlobId]) -> Result<(), StoreError> {
        for blob in blobs {
            // Never one that an object has: what is live is not removable.
            self.run("DELETE FROM blob WHERE id = ?1 AND state <> 'live'", [blob.as_bytes()])?;
        }
        Ok(())
    }
}
