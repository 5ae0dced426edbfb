//! What the writer keeps in memory: a mirror of hot rows, and a way back when a transaction fails.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use bucketbell_event::Sequencer;
use bucketbell_rule::{CompiledRules, RuleId};
use rusqlite::{Connection, params};
use tokio::sync::mpsc;

use super::{
    prune::Pass,
    rows::{signed, unsigned},
};
use crate::{Clock, DueDelivery, EndpointId, Instance, Number, Signal, StoreError};

/// Compiled rules kept for this many buckets; one more starts the cache anew.
const COMPILED_MAX: usize = 10_000;
/// Bucket rows kept by name, likewise.
const BUCKETS_MAX: usize = 10_000;

/// Row id of a bucket.
pub(super) type BucketRow = i64;

/// A live bucket, as a write needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BucketEntry {
    pub row: BucketRow,
    pub owner_name: String,
}

/// The state of one endpoint: the row's columns, and what only the writer knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub rule: RuleId,
    pub owner: Option<i64>,
    pub numbered_to: Number,
    pub taken_to: Number,
    /// Deliveries owed, in whatever state.
    pub owed: u64,
    /// Disabled, paused or removed: nothing is handed out.
    pub held: bool,
    /// How many fresh deliveries the owner wants handed over at once.
    pub credit: usize,
}

impl Slot {
    /// Returns what stands in the endpoint's row.
    const fn columns(&self) -> (Option<i64>, Number, Number) {
        (self.owner, self.numbered_to, self.taken_to)
    }
}

/// How far the undo list had come: where a job began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    undo: usize,
    signals: usize,
    handed: usize,
    joined: usize,
    event_bytes: u64,
    pass: Pass,
}

#[derive(Default)]
pub(super) struct Memory {
    clock: HybridClock,
    event_bytes: EventBytes,
    /// How far pruning has come.
    pub pass: Pass,
    slots: BTreeMap<EndpointId, Slot>,
    compiled: HashMap<Option<BucketRow>, Option<Arc<CompiledRules<EndpointId>>>>,
    buckets: HashMap<String, Arc<BucketEntry>>,
    /// Slots as they were before this transaction touched them, oldest first. `None`: there was none.
    undo: Vec<(EndpointId, Option<Slot>)>,
    /// Deliveries of this transaction that are handed to the owner of their endpoint, by that owner's epoch.
    handed: Vec<(Option<i64>, EndpointId, DueDelivery)>,
    signals: Vec<Signal>,
    instance: Option<Joined>,
    /// Who was joined before each join of this transaction, oldest first.
    undo_instance: Vec<Option<Joined>>,
}

/// The joined instance, and where it is told of commits.
type Joined = (Instance, mpsc::UnboundedSender<Signal>);

/// The last sequencer given, and whether the `store` row knows it.
#[derive(Default)]
struct HybridClock {
    last: u64,
    written: u64,
}

/// What the bodies of all events take, and what the `store` row says of it.
#[derive(Default)]
struct EventBytes {
    sum: u64,
    written: u64,
}

impl Memory {
    /// Reads the mirror from the tables.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let store = "SELECT clock_us, event_bytes FROM store";
        let (clock, bytes) =
            connection.query_row(store, [], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))?;
        let mut memory = Self {
            clock: HybridClock { last: clock, written: clock },
            event_bytes: EventBytes { sum: bytes, written: bytes },
            ..Self::default()
        };
        let mut statement = connection.prepare(
            "SELECT e.id, e.rule_id, e.owner, e.numbered_to, e.taken_to,
                    r.enabled = 0 OR r.paused = 1 OR r.removed_us IS NOT NULL,
                    (SELECT count(*) FROM delivery d WHERE d.endpoint_id = e.id)
             FROM endpoint e JOIN rule r ON r.id = e.rule_id",
        )?;
        let slots = statement.query_map([], |row| {
            let slot = Slot {
                rule: RuleId::from_bytes(row.get(1)?),
                owner: row.get(2)?,
                numbered_to: unsigned(row.get(3)?),
                taken_to: unsigned(row.get(4)?),
                held: row.get(5)?,
                owed: unsigned(row.get(6)?),
                credit: 0,
            };
            Ok((EndpointId(row.get(0)?), slot))
        })?;
        memory.slots = slots.collect::<Result<_, _>>()?;
        drop(statement);
        Ok(memory)
    }

    /// Returns the next place in the ledger's hybrid clock: never the same twice, never going back, also over restarts.
    pub fn tick(&mut self, clock: &dyn Clock) -> Sequencer {
        let next = Sequencer::from_u64(self.clock.last).next(clock.now());
        self.clock.last = next.as_u64();
        next
    }

    /// Returns the last place given.
    pub fn last(&self) -> Sequencer {
        Sequencer::from_u64(self.clock.last)
    }

    /// Returns the bytes of all events' bodies.
    pub const fn event_bytes(&self) -> u64 {
        self.event_bytes.sum
    }

    pub fn event_stored(&mut self, body_bytes: usize) {
        self.event_bytes.sum += body_bytes as u64;
    }

    pub fn event_removed(&mut self, body_bytes: u64) {
        self.event_bytes.sum = self.event_bytes.sum.saturating_sub(body_bytes);
    }

    /// Returns a slot to change. What it was comes back if the transaction fails.
    pub fn slot_mut(&mut self, endpoint: EndpointId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(&endpoint)?;
        self.undo.push((endpoint, Some(slot.clone())));
        Some(slot)
    }

    pub fn slot(&self, endpoint: EndpointId) -> Option<&Slot> {
        self.slots.get(&endpoint)
    }

    /// Returns up to `max` endpoints after one, in the order of their ids.
    pub fn page(&self, after: EndpointId, max: usize) -> Vec<EndpointId> {
        self.slots.range((Bound::Excluded(after), Bound::Unbounded)).take(max).map(|(id, _)| *id).collect()
    }

    pub fn slots(&self) -> impl Iterator<Item = (EndpointId, &Slot)> {
        self.slots.iter().map(|(id, slot)| (*id, slot))
    }

    pub fn all_slots(&self) -> Vec<(EndpointId, Slot)> {
        self.slots.iter().map(|(id, slot)| (*id, slot.clone())).collect()
    }

    pub fn insert_slot(&mut self, endpoint: EndpointId, slot: Slot) {
        self.undo.push((endpoint, None));
        self.slots.insert(endpoint, slot);
    }

    pub fn remove_slot(&mut self, endpoint: EndpointId) {
        if let Some(slot) = self.slots.remove(&endpoint) {
            self.undo.push((endpoint, Some(slot)));
        }
    }

    /// Returns the compiled rules of a scope, if they are kept: `Some(None)` of one that has no rules.
    #[expect(clippy::option_option, reason = "not known, known to be none, known")]
    pub fn compiled(&self, bucket: Option<BucketRow>) -> Option<Option<Arc<CompiledRules<EndpointId>>>> {
        self.compiled.get(&bucket).cloned()
    }

    pub fn keep_compiled(&mut self, bucket: Option<BucketRow>, rules: Option<Arc<CompiledRules<EndpointId>>>) {
        if self.compiled.len() >= COMPILED_MAX {
            self.compiled.clear();
        }
        self.compiled.insert(bucket, rules);
    }

    pub fn forget_compiled(&mut self, bucket: Option<BucketRow>) {
        self.compiled.remove(&bucket);
    }

    pub fn bucket(&self, name: &str) -> Option<Arc<BucketEntry>> {
        self.buckets.get(name).cloned()
    }

    pub fn keep_bucket(&mut self, name: &str, entry: Arc<BucketEntry>) {
        if self.buckets.len() >= BUCKETS_MAX {
            self.buckets.clear();
        }
        self.buckets.insert(name.to_owned(), entry);
    }

    pub fn forget_bucket(&mut self, name: &str) {
        self.buckets.remove(name);
    }

    /// Makes `signals` the one that is told of commits. The one before comes back if the transaction fails.
    pub fn attach(&mut self, instance: Instance, signals: mpsc::UnboundedSender<Signal>) {
        let before = self.instance.replace((instance, signals));
        self.undo_instance.push(before);
    }

    /// Returns the epoch of the joined instance, which owns every new endpoint.
    pub fn epoch(&self) -> Option<i64> {
        self.instance.as_ref().map(|(instance, _)| instance.epoch)
    }

    pub fn queue_signal(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    /// Hands a delivery over with the commit of its event (B5).
    pub fn hand(&mut self, endpoint: EndpointId, delivery: DueDelivery) {
        self.handed.push((self.epoch(), endpoint, delivery));
    }

    pub fn mark(&self) -> Mark {
        Mark {
            undo: self.undo.len(),
            signals: self.signals.len(),
            handed: self.handed.len(),
            joined: self.undo_instance.len(),
            event_bytes: self.event_bytes.sum,
            pass: self.pass,
        }
    }

    /// Goes back to the mark. The caches stay: a job that writes rules or buckets reads none into them after that, so
    /// what one cached before it failed is what the jobs before it left, and they stand.
    pub fn forget_since(&mut self, mark: Mark) {
        for (endpoint, before) in self.undo.drain(mark.undo..).rev() {
            match before {
                Some(slot) => self.slots.insert(endpoint, slot),
                None => self.slots.remove(&endpoint),
            };
        }
        self.signals.truncate(mark.signals);
        self.handed.truncate(mark.handed);
        for before in self.undo_instance.drain(mark.joined..).rev() {
            self.instance = before;
        }
        self.event_bytes.sum = mark.event_bytes;
        self.pass = mark.pass;
    }

    /// Goes back to before the transaction. What it cached may have been read from rows that are no more.
    pub fn forget_all(&mut self) {
        let event_bytes = self.event_bytes.written;
        self.forget_since(Mark { undo: 0, signals: 0, handed: 0, joined: 0, event_bytes, pass: Pass::default() });
        self.compiled.clear();
        self.buckets.clear();
        // The clock may stand still in the table: what it gave is given all the same.
        self.clock.written = 0;
    }

    /// Writes what this transaction changed here into its rows: once for each endpoint, whatever the number of jobs.
    pub fn write_back(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let (clock, bytes) = (&self.clock, &self.event_bytes);
        if clock.written != clock.last || bytes.written != bytes.sum {
            connection
                .prepare_cached("UPDATE store SET clock_us = ?1, event_bytes = ?2 WHERE one = 1")?
                .execute([signed(clock.last), signed(bytes.sum)])?;
        }
        // The first entry of an endpoint is its slot as the row has it.
        let mut touched: HashMap<EndpointId, Option<&Slot>> = HashMap::new();
        for (endpoint, before) in &self.undo {
            touched.entry(*endpoint).or_insert(before.as_ref());
        }
        let mut update = connection
            .prepare_cached("UPDATE endpoint SET owner = ?2, numbered_to = ?3, taken_to = ?4 WHERE id = ?1")?;
        for (endpoint, before) in touched {
            // A `take` that found nothing changes only the credit: it must not cost an fsync.
            if let Some(slot) = self.slots.get(&endpoint)
                && before.is_none_or(|before| before.columns() != slot.columns())
            {
                update.execute(params![endpoint.0, slot.owner, signed(slot.numbered_to), signed(slot.taken_to)])?;
            }
        }
        Ok(())
    }

    /// Keeps what the transaction did, and tells the joined instance of it.
    pub fn keep(&mut self) {
        self.undo.clear();
        self.undo_instance.clear();
        self.clock.written = self.clock.last;
        self.event_bytes.written = self.event_bytes.sum;
        let epoch = self.epoch();
        let mut handed: Vec<(EndpointId, Vec<DueDelivery>)> = Vec::new();
        // Where an endpoint stands in `handed`: a group may hold deliveries of thousands.
        let mut places: HashMap<EndpointId, usize> = HashMap::new();
        for (owner, endpoint, delivery) in self.handed.drain(..) {
            // Handed to an owner that lost the endpoint in this very transaction: its join recorded them as unknown.
            if owner != epoch {
                continue;
            }
            let place = *places.entry(endpoint).or_insert(handed.len());
            match handed.get_mut(place) {
                Some((_, due)) => due.push(delivery),
                None => handed.push((endpoint, vec![delivery])),
            }
        }
        let committed = handed.into_iter().map(|(endpoint, due)| Signal::Committed { endpoint, due });
        for signal in committed.chain(self.signals.drain(..)) {
            if let Some((_, instance)) = &self.instance {
                // The receiver is gone when the sender has stopped: what is owed stands in the tables.
                let _ = instance.send(signal);
            }
        }
    }
}
