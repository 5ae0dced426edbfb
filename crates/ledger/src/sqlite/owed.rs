//! What is owed: joining, taking, settling.

use std::{sync::Arc, time::Duration};

use bucketbell_event::{Event, Timestamp};
use rusqlite::{Connection, OptionalExtension, params, types::ValueRef};
use tokio::sync::mpsc;

use super::{
    memory::Slot,
    rows::{parsed, signed, unsigned},
    writer::Tx,
};
use crate::{
    AttemptOutcome, AttemptRecord, DeadReason, DueDelivery, EndpointId, Instance, Number, QueueDepth, SettleError,
    Settlement, Signal, StoreError,
};

/// How long a delivery waits whose event cannot be read: others must not wait for it, and nobody may forget it.
const UNREADABLE_WAIT: Duration = Duration::from_secs(3600);
/// Bytes of an excerpt that are kept.
const EXCERPT_BYTES_MAX: usize = 1024;

impl Tx<'_> {
    /// Makes a new instance the owner of everything (SQLite has one at a time), and records what the one before it had
    /// taken and not settled as attempts of unknown outcome.
    pub fn join(&mut self, signals: mpsc::UnboundedSender<Signal>) -> Result<Instance, StoreError> {
        let now = self.clock.now();
        self.run("INSERT INTO instance (joined_us) VALUES (?1)", [now.as_micros()])?;
        let instance = Instance { epoch: self.connection.last_insert_rowid() };
        self.run("DELETE FROM instance WHERE epoch < ?1", [instance.epoch])?;
        let endpoints: Vec<EndpointId> = self.memory.slots().map(|(endpoint, _)| endpoint).collect();
        for endpoint in endpoints {
            let Some(slot) = self.memory.slot_mut(endpoint) else { continue };
            slot.owner = Some(instance.epoch);
            slot.credit = 0;
            let taken_to = slot.taken_to;
            self.recover(endpoint, taken_to, now)?;
        }
        self.memory.attach(instance, signals);
        Ok(instance)
    }

    fn recover(&mut self, endpoint: EndpointId, taken_to: Number, now: Timestamp) -> Result<(), StoreError> {
        let lost = "endpoint_id = ?1 AND (state = 2 OR (state = 0 AND number <= ?2))";
        let scope = params![endpoint.0, signed(taken_to), now.as_micros()];
        self.run(
            &format!(
                "INSERT INTO attempt (endpoint_id, number, attempt, event, started_us, took_us, outcome)
                 SELECT endpoint_id, number, attempts + 1, event, ?3, 0, 'unknown' FROM delivery WHERE {lost}"
            ),
            scope,
        )?;
        self.run(&format!("UPDATE delivery SET state = 1, attempts = attempts + 1, due_us = ?3 WHERE {lost}"), scope)?;
        Ok(())
    }

    pub fn settle(
        &mut self,
        instance: Instance,
        endpoint: EndpointId,
        settlements: &[Settlement],
        free: usize,
    ) -> Result<Found, SettleError> {
        let slot = self.memory.slot_mut(endpoint).ok_or(SettleError::Gone)?;
        if slot.owner != Some(instance.epoch) {
            return Err(SettleError::NotOwner);
        }
        let mut gone = 0;
        for settlement in settlements {
            gone += self.settle_one(endpoint, settlement)?;
        }
        let slot = self.memory.slot_mut(endpoint).ok_or(SettleError::Gone)?;
        slot.owed = slot.owed.saturating_sub(gone);
        slot.credit = 0;
        if slot.held {
            return Ok(Found::default());
        }
        let (taken_to, numbered_to) = (slot.taken_to, slot.numbered_to);
        Ok(self.take(endpoint, free, taken_to, numbered_to)?)
    }

    /// Records one outcome. Returns how many deliveries are no longer owed for it: one or none.
    fn settle_one(&self, endpoint: EndpointId, settlement: &Settlement) -> Result<u64, StoreError> {
        let number = signed(settlement.number());
        match settlement {
            Settlement::Delivered { attempt, .. } => {
                self.record(endpoint, number, attempt)?;
                self.forget(endpoint, number)
            }
            Settlement::Retry { due, attempt, .. } => {
                self.record(endpoint, number, attempt)?;
                self.run(
                    "UPDATE delivery SET state = 1, attempts = attempts + 1, due_us = ?3
                     WHERE endpoint_id = ?1 AND number = ?2",
                    params![endpoint.0, number, due.as_micros()],
                )?;
                Ok(0)
            }
            Settlement::Dead { reason, attempt, .. } => {
                if let Some(attempt) = attempt {
                    self.record(endpoint, number, attempt)?;
                }
                self.bury(endpoint, number, *reason, attempt.is_some())
            }
            Settlement::Returned { .. } => {
                self.run(
                    "UPDATE delivery SET state = 1, due_us = ?3 WHERE endpoint_id = ?1 AND number = ?2",
                    params![endpoint.0, number, self.clock.now().as_micros()],
                )?;
                Ok(0)
            }
        }
    }

    /// Appends the attempt under the delivery's next attempt number (DL-3). A delivery that is no longer owed (its rule
    /// was removed meanwhile) has no row, and its attempt is not kept.
    fn record(&self, endpoint: EndpointId, number: i64, attempt: &AttemptRecord) -> Result<(), StoreError> {
        let status = match attempt.outcome {
            AttemptOutcome::Answered { status } => Some(status),
            _ => None,
        };
        let end = attempt.excerpt.floor_char_boundary(EXCERPT_BYTES_MAX);
        let excerpt = Some(&attempt.excerpt[..end]).filter(|text| !text.is_empty());
        self.run(
            "INSERT INTO attempt (endpoint_id, number, attempt, event, started_us, took_us, outcome, status, excerpt)
             SELECT endpoint_id, number, attempts + 1, event, ?3, ?4, ?5, ?6, ?7 FROM delivery
             WHERE endpoint_id = ?1 AND number = ?2",
            params![
                endpoint.0,
                number,
                attempt.started.as_micros(),
                i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX),
                attempt.outcome.as_str(),
                status,
                excerpt,
            ],
        )?;
        Ok(())
    }

    /// Turns a delivery into a dead letter (B10). Returns how many are no longer owed for it: one or none.
    pub fn bury(
        &self,
        endpoint: EndpointId,
        number: i64,
        reason: DeadReason,
        attempted: bool,
    ) -> Result<u64, StoreError> {
        self.run(
            "INSERT INTO dead (endpoint_id, number, event, attempts, reason, died_us)
             SELECT endpoint_id, number, event, attempts + ?3, ?4, ?5 FROM delivery
             WHERE endpoint_id = ?1 AND number = ?2",
            params![endpoint.0, number, attempted, reason.as_str(), self.clock.now().as_micros()],
        )?;
        self.forget(endpoint, number)
    }

    fn forget(&self, endpoint: EndpointId, number: i64) -> Result<u64, StoreError> {
        let gone =
            self.run("DELETE FROM delivery WHERE endpoint_id = ?1 AND number = ?2", params![endpoint.0, number])?;
        Ok(gone as u64)
    }

    /// Takes retries that are due, then fresh deliveries in their order. What is taken is marked in this transaction, so
    /// that a crash cannot hide that it may have been sent (DL-3).
    fn take(
        &mut self,
        endpoint: EndpointId,
        free: usize,
        taken_to: Number,
        numbered_to: Number,
    ) -> Result<Found, StoreError> {
        let mut rows = self.due_again(endpoint, free)?;
        let mut taken_to = taken_to;
        let room = free - rows.len();
        if room > 0 && taken_to < numbered_to {
            let mut fresh = self.fresh(endpoint, taken_to, room)?;
            // Numbers beyond the last row, if any, belong to deliveries that are no more.
            let last = fresh.last().filter(|_| fresh.len() == room).map(|row| row.number);
            taken_to = last.unwrap_or(numbered_to);
            rows.append(&mut fresh);
        }
        let credit = free - rows.len();
        if let Some(slot) = self.memory.slot_mut(endpoint) {
            slot.taken_to = taken_to;
            slot.credit = credit;
        }
        Ok(Found { rows, next_due: next_due(self.connection, endpoint)? })
    }

    fn due_again(&self, endpoint: EndpointId, max: usize) -> Result<Vec<FoundRow>, StoreError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let due = self.deliveries(
            "SELECT d.number, d.attempts, e.body FROM delivery d LEFT JOIN event e ON e.sequencer = d.event
             WHERE d.endpoint_id = ?1 AND d.state = 1 AND d.due_us <= ?2 ORDER BY d.due_us, d.number LIMIT ?3",
            params![endpoint.0, self.clock.now().as_micros(), i64::try_from(max).unwrap_or(i64::MAX)],
        )?;
        for delivery in &due {
            self.run(
                "UPDATE delivery SET state = 2 WHERE endpoint_id = ?1 AND number = ?2",
                params![endpoint.0, signed(delivery.number)],
            )?;
        }
        Ok(due)
    }

    fn fresh(&self, endpoint: EndpointId, taken_to: Number, max: usize) -> Result<Vec<FoundRow>, StoreError> {
        self.deliveries(
            "SELECT d.number, d.attempts, e.body FROM delivery d LEFT JOIN event e ON e.sequencer = d.event
             WHERE d.endpoint_id = ?1 AND d.number > ?2 AND d.state = 0 ORDER BY d.number LIMIT ?3",
            params![endpoint.0, signed(taken_to), i64::try_from(max).unwrap_or(i64::MAX)],
        )
    }

    fn deliveries(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<FoundRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, |row| {
            let body = match row.get_ref(2)? {
                ValueRef::Text(body) => Some(body.to_vec()),
                _ => None,
            };
            Ok(FoundRow { number: unsigned(row.get(0)?), attempts: row.get(1)?, body })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sets deliveries aside that were taken and cannot be read: they are neither lost nor in the way of the others.
    /// Takes as many more in their place.
    pub fn set_aside(
        &mut self,
        instance: Instance,
        endpoint: EndpointId,
        unreadable: &[Number],
    ) -> Result<Found, SettleError> {
        let slot = self.memory.slot(endpoint).ok_or(SettleError::Gone)?;
        if slot.owner != Some(instance.epoch) {
            return Err(SettleError::NotOwner);
        }
        let (held, free) = (slot.held, slot.credit + unreadable.len());
        let (taken_to, numbered_to) = (slot.taken_to, slot.numbered_to);
        let due = self.clock.now().after(UNREADABLE_WAIT).as_micros();
        for number in unreadable {
            self.run(
                "UPDATE delivery SET state = 1, due_us = ?3 WHERE endpoint_id = ?1 AND number = ?2",
                params![endpoint.0, signed(*number), due],
            )?;
        }
        if held {
            return Ok(Found::default());
        }
        Ok(self.take(endpoint, free, taken_to, numbered_to)?)
    }
}

/// What a take found, as the rows have it: it is read when the transaction is over.
#[derive(Default)]
pub(super) struct Found {
    rows: Vec<FoundRow>,
    pub next_due: Option<Timestamp>,
}

struct FoundRow {
    number: Number,
    attempts: u32,
    /// The event's JSON. `None` when there is no such event.
    body: Option<Vec<u8>>,
}

impl Found {
    /// Adds the deliveries to `due`, and returns the numbers of those whose event is missing or not to be understood. The
    /// log says so each time one comes up again.
    pub fn read(self, endpoint: EndpointId, due: &mut Vec<DueDelivery>) -> Vec<Number> {
        let mut unreadable = Vec::new();
        for FoundRow { number, attempts, body } in self.rows {
            match read_event(body.as_deref(), number) {
                Ok(event) => due.push(DueDelivery { number, attempts, event: Arc::new(event) }),
                Err(error) => {
                    tracing::error!(endpoint.id = endpoint.0, delivery.number = number, error = %error, "a delivery cannot be sent: it is looked at again in an hour");
                    unreadable.push(number);
                }
            }
        }
        unreadable
    }
}

fn read_event(body: Option<&[u8]>, number: Number) -> Result<Event, StoreError> {
    let body = parsed(body.ok_or(()), "delivery", "event", number)?;
    parsed(serde_json::from_slice(body), "event", "body", number)
}

fn next_due(connection: &Connection, endpoint: EndpointId) -> Result<Option<Timestamp>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT due_us FROM delivery WHERE endpoint_id = ?1 AND state = 1 ORDER BY due_us LIMIT 1")?;
    Ok(statement.query_row([endpoint.0], |row| row.get(0)).optional()?.map(Timestamp::from_micros))
}

/// Returns what each endpoint is owed: the number from the mirror, the age from the rows.
pub(super) fn depths(
    connection: &Connection,
    now: Timestamp,
    slots: &[(EndpointId, Slot)],
) -> Result<Vec<QueueDepth>, StoreError> {
    slots
        .iter()
        .map(|(endpoint, slot)| {
            let oldest_due = if slot.owed == 0 { None } else { oldest_due(connection, *endpoint, slot)? };
            let oldest_due = oldest_due.map(|due| now.since(due)).unwrap_or_default();
            Ok(QueueDepth { endpoint: *endpoint, rule: slot.rule, owed: slot.owed, oldest_due })
        })
        .collect()
}

/// Returns when the longest overdue delivery became due: a fresh one with its commit, another when its wait was over.
fn oldest_due(connection: &Connection, endpoint: EndpointId, slot: &Slot) -> Result<Option<Timestamp>, StoreError> {
    let fresh: Option<i64> = connection
        .prepare_cached("SELECT event FROM delivery WHERE endpoint_id = ?1 AND number > ?2 ORDER BY number LIMIT 1")?
        .query_row(params![endpoint.0, signed(slot.taken_to)], |row| row.get(0))
        .optional()?;
    Ok(fresh.map(Timestamp::from_micros).into_iter().chain(next_due(connection, endpoint)?).min())
}
