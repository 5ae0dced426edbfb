//! The journal of blobs, and what is old enough to go.

use std::time::Duration;

use bucketbell_event::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::writer::Tx;
use crate::{BlobId, EndpointId, PruneLimits, Pruned, Signal, StoreError};

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

    pub fn prune(&mut self, limits: PruneLimits) -> Result<Pruned, StoreError> {
        let max = i64::try_from(limits.rows_max).unwrap_or(i64::MAX);
        let now = self.clock.now();
        let history = now.before(limits.history).as_micros();
        let pruned = Pruned {
            orphaned: self.bury_orphans(max)?,
            dead: self.count(
                "DELETE FROM dead WHERE (endpoint_id, number) IN
                   (SELECT endpoint_id, number FROM dead WHERE died_us < ?1 ORDER BY died_us LIMIT ?2)",
                params![now.before(limits.dead).as_micros(), max],
            )?,
            attempts: self.prune_attempts(history, max)?,
            events: self.prune_events(history, max)?,
            more: false,
        };
        let most = limits.rows_max as u64;
        let counts = [pruned.orphaned, pruned.dead, pruned.attempts, pruned.events];
        let more = most > 0 && counts.iter().any(|count| *count >= most);
        if !more {
            // It looks at every removed rule, so once for all the rounds that came before.
            self.remove_empty()?;
        }
        Ok(Pruned { more, ..pruned })
    }

    fn count(&self, sql: &str, params: impl rusqlite::Params) -> Result<u64, StoreError> {
        Ok(self.run(sql, params)? as u64)
    }

    /// Turns what removed rules were owed into dead letters (C12), a bounded number at a time.
    fn bury_orphans(&mut self, max: i64) -> Result<u64, StoreError> {
        // CROSS JOIN: in this order. Left to itself SQLite reads all deliveries and looks up the rule of each.
        let orphans = "SELECT d.endpoint_id, d.number FROM rule r CROSS JOIN endpoint e ON e.rule_id = r.id
                       CROSS JOIN delivery d ON d.endpoint_id = e.id WHERE r.removed_us IS NOT NULL LIMIT ?1";
        let mut statement = self.connection.prepare_cached(orphans)?;
        let rows = statement.query_map([max], |row| Ok((EndpointId(row.get(0)?), row.get::<_, i64>(1)?)))?;
        let orphans: Vec<(EndpointId, i64)> = rows.collect::<Result<_, _>>()?;
        drop(statement);
        for (endpoint, number) in &orphans {
            self.bury(*endpoint, *number, crate::DeadReason::RuleRemoved, false)?;
            if let Some(slot) = self.memory.slot_mut(*endpoint) {
                slot.owed = slot.owed.saturating_sub(1);
            }
        }
        Ok(orphans.len() as u64)
    }

    /// Attempts of an endpoint stand in the order of their numbers, which is that of their events: the scan of each
    /// stops at the first that is too young, so pruning costs what it removes.
    fn prune_attempts(&self, history: i64, max: i64) -> Result<u64, StoreError> {
        let mut left = max;
        let mut pruned = 0;
        let endpoints: Vec<EndpointId> = self.memory.slots().map(|(endpoint, _)| endpoint).collect();
        for endpoint in endpoints {
            let oldest: Option<i64> = self
                .connection
                .prepare_cached(
                    "SELECT started_us FROM attempt WHERE endpoint_id = ?1 ORDER BY number, attempt LIMIT 1",
                )?
                .query_row([endpoint.0], |row| row.get(0))
                .optional()?;
            if left == 0 || oldest.is_none_or(|oldest| oldest >= history) {
                continue;
            }
            let gone = self.count(
                "DELETE FROM attempt WHERE endpoint_id = ?1 AND (number, attempt) IN
                   (SELECT number, attempt FROM attempt WHERE endpoint_id = ?1 ORDER BY number, attempt LIMIT ?3)
                 AND started_us < ?2",
                params![endpoint.0, history, left],
            )?;
            left = left.saturating_sub(i64::try_from(gone).unwrap_or(i64::MAX));
            pruned += gone;
        }
        Ok(pruned)
    }

    /// Removes events that are older than the history, and than everything that is still owed (B1). What an endpoint is
    /// owed stands in the order of its events, so the first row of each tells the oldest.
    fn prune_events(&self, history: i64, max: i64) -> Result<u64, StoreError> {
        let mut oldest_owed = self
            .connection
            .prepare_cached("SELECT event FROM delivery WHERE endpoint_id = ?1 ORDER BY number LIMIT 1")?;
        let mut before = history;
        for (endpoint, _) in self.memory.slots() {
            let oldest: Option<i64> = oldest_owed.query_row([endpoint.0], |row| row.get(0)).optional()?;
            before = before.min(oldest.unwrap_or(i64::MAX));
        }
        self.count(
            "DELETE FROM event WHERE sequencer IN
               (SELECT sequencer FROM event WHERE sequencer < ?1
                  AND NOT EXISTS (SELECT 1 FROM dead WHERE dead.event = event.sequencer)
                ORDER BY sequencer LIMIT ?2)",
            params![before, max],
        )
    }

    /// Removes rules and deleted buckets that nothing refers to any more. A deleted bucket's rules go with their queues.
    fn remove_empty(&mut self) -> Result<(), StoreError> {
        let left = self.run(
            "UPDATE rule SET removed_us = ?1 WHERE removed_us IS NULL AND bucket_id IN
               (SELECT id FROM bucket WHERE deleted_us IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM delivery d JOIN endpoint e ON e.id = d.endpoint_id WHERE e.rule_id = rule.id)",
            [self.clock.now().as_micros()],
        )?;
        if left > 0 {
            // Nothing will ever be owed to their endpoints again: the owner lets go of them.
            self.signal(Signal::RulesChanged);
        }
        let empty: Vec<(i64, [u8; 16])> = {
            let mut statement = self.connection.prepare_cached(
                "SELECT e.id, r.id FROM rule r JOIN endpoint e ON e.rule_id = r.id WHERE r.removed_us IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE endpoint_id = e.id)
                   AND NOT EXISTS (SELECT 1 FROM dead WHERE endpoint_id = e.id)
                   AND NOT EXISTS (SELECT 1 FROM attempt WHERE endpoint_id = e.id)",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        for (endpoint, rule) in empty {
            self.run("DELETE FROM endpoint WHERE id = ?1", [endpoint])?;
            self.run("DELETE FROM rule WHERE id = ?1", [rule])?;
            self.memory.remove_slot(EndpointId(endpoint));
        }
        self.run(
            "DELETE FROM bucket WHERE deleted_us IS NOT NULL AND id NOT IN
               (SELECT bucket_id FROM rule WHERE bucket_id IS NOT NULL)",
            [],
        )?;
        Ok(())
    }
}
