//! What is old enough to go, a bounded step at a time.
//!
//! A job is one step, and a pass is as many as it takes: dead letters, then the endpoints in the order of their ids, then
//! events, then the file itself. Where the pass stands is in memory, and comes back with a rollback; a restart begins
//! anew. Events go last, because every endpoint may still need some: only a pass that has looked at all of them knows the
//! oldest. What is owed meanwhile is newer than that, so it stays true until the pass is over.

use bucketbell_event::Timestamp;
use bucketbell_rule::RuleId;
use rusqlite::{OptionalExtension, params};
use url::Url;

use super::{
    memory::Slot,
    rows::{signed, unsigned},
    writer::Tx,
};
use crate::{Buried, DeadReason, EndpointId, PruneLimits, Pruned, Signal, StoreError};

/// Endpoints looked at in one job: a few look-ups each, so that a write behind it waits for milliseconds.
const ENDPOINTS_MAX: u16 = 256;
/// Free pages that are left in the file: 8 MiB, or a quarter of it. New rows use them.
const FREE_PAGES_MIN: i64 = 2048;
const FREE_SHARE: i64 = 4;
/// Pages given back in one job: 4 MiB.
const VACUUM_PAGES: u32 = 1024;

/// How far a pass has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    stage: Stage,
    /// The oldest event that an endpoint looked at so far is still owed.
    oldest_owed: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Dead,
    Endpoints { after: EndpointId },
    Events { after: i64 },
    File,
}

impl Default for Pass {
    fn default() -> Self {
        Self { stage: Stage::Dead, oldest_owed: i64::MAX }
    }
}

/// One step: what it may do, and what it has done.
struct Step {
    now: Timestamp,
    limits: PruneLimits,
    done: Pruned,
}

impl Step {
    const fn rows_max(&self) -> u64 {
        self.limits.rows_max as u64
    }

    fn history(&self) -> i64 {
        self.now.before(self.limits.history).as_micros()
    }

    fn buried(&self) -> u64 {
        self.done.buried.iter().map(|buried| buried.count).sum()
    }

    /// Returns how many rows may still go, of a kind of which `done` went.
    fn left(&self, done: u64) -> i64 {
        signed(self.rows_max().saturating_sub(done))
    }
}

impl Tx<'_> {
    pub fn prune(&mut self, limits: PruneLimits) -> Result<Pruned, StoreError> {
        if limits.rows_max == 0 {
            return Ok(Pruned::default());
        }
        let mut step = Step { now: self.clock.now(), limits, done: Pruned::default() };
        // Each stage moves on only when it is through.
        let mut pass = self.memory.pass;
        if pass.stage == Stage::Dead {
            self.prune_dead(&mut pass, &mut step)?;
        }
        if let Stage::Endpoints { after } = pass.stage {
            self.prune_endpoints(after, &mut pass, &mut step)?;
        }
        if let Stage::Events { after } = pass.stage {
            self.prune_events(after, &mut pass, &mut step)?;
        }
        if pass.stage == Stage::File {
            self.forget_buckets()?;
            if self.shrink()? {
                pass = Pass::default();
            }
        }
        self.memory.pass = pass;
        step.done.more = pass != Pass::default();
        Ok(step.done)
    }

    fn prune_dead(&mut self, pass: &mut Pass, step: &mut Step) -> Result<(), StoreError> {
        step.done.dead = self.count(
            "DELETE FROM dead WHERE (endpoint_id, number) IN
               (SELECT endpoint_id, number FROM dead WHERE died_us < ?1 ORDER BY died_us LIMIT ?2)",
            params![step.now.before(step.limits.dead).as_micros(), step.left(0)],
        )?;
        if step.done.dead < step.rows_max() {
            self.end_deleted_buckets(step.now)?;
            pass.stage = Stage::Endpoints { after: EndpointId(0) };
        }
        Ok(())
    }

    fn count(&self, sql: &str, params: impl rusqlite::Params) -> Result<u64, StoreError> {
        Ok(self.run(sql, params)? as u64)
    }

    /// Ends the rules of deleted buckets whose queue is empty (C12): nothing will ever be owed to them again.
    fn end_deleted_buckets(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let endpoints: Vec<EndpointId> = {
            let mut statement = self.connection.prepare_cached(
                "SELECT e.id FROM bucket b CROSS JOIN rule r ON r.bucket_id = b.id
                   CROSS JOIN endpoint e ON e.rule_id = r.id
                 WHERE b.deleted_us IS NOT NULL AND r.removed_us IS NULL
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE endpoint_id = e.id) LIMIT ?1",
            )?;
            let rows = statement.query_map([ENDPOINTS_MAX], |row| row.get(0).map(EndpointId))?;
            rows.collect::<Result<_, _>>()?
        };
        for endpoint in &endpoints {
            let Some(slot) = self.memory.slot_mut(*endpoint) else { continue };
            (slot.held, slot.credit) = (true, 0);
            let rule = slot.rule;
            self.run("UPDATE rule SET removed_us = ?2 WHERE id = ?1", params![rule.as_bytes(), now.as_micros()])?;
        }
        if !endpoints.is_empty() {
            // The owner lets go of them.
            self.signal(Signal::RulesChanged { endpoints });
        }
        Ok(())
    }

    /// Looks at a page of endpoints. One at which a limit was reached is the first of the next job.
    fn prune_endpoints(&mut self, after: EndpointId, pass: &mut Pass, step: &mut Step) -> Result<(), StoreError> {
        let page = self.memory.page(after, ENDPOINTS_MAX.into());
        for endpoint in &page {
            let Some(slot) = self.memory.slot(*endpoint).cloned() else { continue };
            let removed = slot.held && self.prune_held(*endpoint, &slot, step)?;
            self.prune_attempts(*endpoint, step)?;
            if step.buried() >= step.rows_max() || step.done.attempts >= step.rows_max() {
                return Ok(());
            }
            pass.oldest_owed = pass.oldest_owed.min(self.oldest_owed(*endpoint)?);
            if removed {
                self.forget_rule(*endpoint, slot.rule)?;
            }
            pass.stage = Stage::Endpoints { after: *endpoint };
        }
        if page.len() < usize::from(ENDPOINTS_MAX) {
            pass.stage = Stage::Events { after: 0 };
        }
        Ok(())
    }

    /// Makes dead letters of what a held endpoint's owner will not take: all that a removed rule was owed (C12), and what
    /// is older than the `max_age` of one that is paused or disabled (B10). Returns whether the rule was removed.
    fn prune_held(&mut self, endpoint: EndpointId, slot: &Slot, step: &mut Step) -> Result<bool, StoreError> {
        let (removed, max_age_ms, name, url): (bool, i64, Option<String>, String) = self
            .connection
            .prepare_cached("SELECT removed_us IS NOT NULL, max_age_ms, name, url FROM rule WHERE id = ?1")?
            .query_row([slot.rule.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        if slot.owed == 0 {
            return Ok(removed);
        }
        let max_age = std::time::Duration::from_millis(unsigned(max_age_ms));
        let (reason, until) = if removed {
            (DeadReason::RuleRemoved, i64::MAX)
        } else {
            (DeadReason::Age, step.now.before(max_age).as_micros())
        };
        if self.oldest_owed(endpoint)? > until {
            return Ok(false);
        }
        let numbers: Vec<i64> = {
            // What is taken may be on its way, and is settled by who took it. A removed rule's is dead whatever comes of
            // it. In the order of numbers, which is that of events, so only what goes is looked at.
            let mut statement = self.connection.prepare_cached(
                "SELECT number FROM
                   (SELECT number, event FROM delivery WHERE endpoint_id = ?1
                      AND (?4 OR state = 1 OR (state = 0 AND number > ?5)) ORDER BY number LIMIT ?3)
                 WHERE event <= ?2",
            )?;
            let left = step.left(step.buried());
            let rows = statement
                .query_map(params![endpoint.0, until, left, removed, signed(slot.taken_to)], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let mut count = 0;
        for number in numbers {
            count += self.bury(endpoint, number, reason, false)?;
        }
        if count > 0 {
            if let Some(slot) = self.memory.slot_mut(endpoint) {
                slot.owed = slot.owed.saturating_sub(count);
            }
            let (label, host) = called(name, &url);
            step.done.buried.push(Buried { rule: slot.rule, label, host, reason, count });
        }
        Ok(removed)
    }

    /// Attempts of an endpoint stand in the order of their numbers, which is that of their events: the scan stops at the
    /// first that is too young, so pruning costs what it removes.
    fn prune_attempts(&self, endpoint: EndpointId, step: &mut Step) -> Result<(), StoreError> {
        let oldest: Option<i64> = self
            .connection
            .prepare_cached("SELECT started_us FROM attempt WHERE endpoint_id = ?1 ORDER BY number, attempt LIMIT 1")?
            .query_row([endpoint.0], |row| row.get(0))
            .optional()?;
        if oldest.is_none_or(|oldest| oldest >= step.history()) {
            return Ok(());
        }
        step.done.attempts += self.count(
            "DELETE FROM attempt WHERE endpoint_id = ?1 AND (number, attempt) IN
               (SELECT number, attempt FROM attempt WHERE endpoint_id = ?1 ORDER BY number, attempt LIMIT ?3)
             AND started_us < ?2",
            params![endpoint.0, step.history(), step.left(step.done.attempts)],
        )?;
        Ok(())
    }

    /// Returns the oldest event that the endpoint is owed: that of its first row. `i64::MAX` when there is none.
    fn oldest_owed(&self, endpoint: EndpointId) -> Result<i64, StoreError> {
        let oldest: Option<i64> = self
            .connection
            .prepare_cached("SELECT event FROM delivery WHERE endpoint_id = ?1 ORDER BY number LIMIT 1")?
            .query_row([endpoint.0], |row| row.get(0))
            .optional()?;
        Ok(oldest.unwrap_or(i64::MAX))
    }

    /// Removes a removed rule to which nothing refers any more.
    fn forget_rule(&mut self, endpoint: EndpointId, rule: RuleId) -> Result<(), StoreError> {
        let needed: bool = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM delivery WHERE endpoint_id = ?1)
                     OR EXISTS (SELECT 1 FROM dead WHERE endpoint_id = ?1)
                     OR EXISTS (SELECT 1 FROM attempt WHERE endpoint_id = ?1)",
            )?
            .query_row([endpoint.0], |row| row.get(0))?;
        if !needed {
            self.run("DELETE FROM endpoint WHERE id = ?1", [endpoint.0])?;
            self.run("DELETE FROM rule WHERE id = ?1", [rule.as_bytes()])?;
            self.memory.remove_slot(endpoint);
        }
        Ok(())
    }

    /// Removes the oldest events while they are older than the history, or all together more than it may take; never one
    /// that is as young as what is still owed, or that a dead letter needs (B1).
    fn prune_events(&mut self, after: i64, pass: &mut Pass, step: &mut Step) -> Result<(), StoreError> {
        let events: Vec<(i64, i64, bool)> = {
            let mut statement = self.connection.prepare_cached(
                "SELECT sequencer, octet_length(body), EXISTS (SELECT 1 FROM dead WHERE dead.event = event.sequencer)
                 FROM event WHERE sequencer > ?1 AND sequencer < ?2 ORDER BY sequencer LIMIT ?3",
            )?;
            let rows = statement.query_map(params![after, pass.oldest_owed, step.left(0)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            // Rows are read as they are asked for: those that stay cost nothing.
            let (history, bytes_max) = (step.history(), step.limits.history_bytes_max);
            let mut bytes = self.memory.event_bytes();
            let mut events = Vec::new();
            for row in rows {
                let (sequencer, length, needed): (i64, i64, bool) = row?;
                if sequencer >= history && bytes <= bytes_max {
                    break;
                }
                if !needed {
                    bytes = bytes.saturating_sub(unsigned(length));
                }
                events.push((sequencer, length, needed));
            }
            events
        };
        for (sequencer, length, needed) in &events {
            if !needed {
                self.run("DELETE FROM event WHERE sequencer = ?1", [sequencer])?;
                self.memory.event_removed(unsigned(*length));
                step.done.events += 1;
            }
        }
        pass.stage = match events.last() {
            Some((last, ..)) if events.len() >= step.limits.rows_max => Stage::Events { after: *last },
            _ => Stage::File,
        };
        Ok(())
    }

    /// Removes deleted buckets that have no rules any more.
    fn forget_buckets(&self) -> Result<(), StoreError> {
        self.run(
            "DELETE FROM bucket WHERE deleted_us IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM rule WHERE rule.bucket_id = bucket.id)",
            [],
        )?;
        Ok(())
    }

    /// Gives free pages back to the disk, a bounded number of them. Returns whether as few are left as there should be.
    fn shrink(&self) -> Result<bool, StoreError> {
        let figure = |pragma: &str| self.connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
        let (free, pages) = (figure("PRAGMA freelist_count")?, figure("PRAGMA page_count")?);
        if free <= FREE_PAGES_MIN || free <= pages / FREE_SHARE {
            return Ok(true);
        }
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        // A file that was made without the right to shrink stays as it is.
        Ok(figure("PRAGMA freelist_count")? >= free)
    }
}

/// Returns what people call the rule's endpoint, and host and port of its url (Y6).
fn called(name: Option<String>, url: &str) -> (String, String) {
    match url.parse::<Url>() {
        Ok(url) => (bucketbell_rule::label(name.as_deref(), &url), bucketbell_rule::host(&url)),
        Err(_) => (name.unwrap_or_default(), String::new()),
    }
}
