//! From a change to its event and its deliveries, inside the transaction (OB-1, B2).

use std::sync::Arc;

use bucketbell_event::{Event, EventId, EventType, Fact, Object, Origin, Sequencer};
use bucketbell_rule::CompiledRules;
use rusqlite::params;

use super::{memory::BucketRow, rows::signed, rules, writer::Tx};
use crate::{DueDelivery, EndpointId, StoreError};

impl Tx<'_> {
    /// Derives the event of a data change, and writes it and a delivery for each rule that wants it: the bucket's, then
    /// the server's. Nothing at all when nobody does (B1). Returns the ids of what was stored.
    pub fn publish(
        &mut self,
        bucket: BucketRow,
        kind: EventType,
        sequencer: Sequencer,
        object: Object,
        origin: Origin,
    ) -> Result<Vec<EventId>, StoreError> {
        let (of_bucket, of_server) = (self.compiled(Some(bucket))?, self.compiled(None)?);
        if of_bucket.is_none() && of_server.is_none() {
            return Ok(Vec::new());
        }
        let event = Event {
            id: EventId::new(sequencer, random()?),
            sequencer,
            kind,
            time: sequencer.timestamp(),
            fact: Fact::Object(object),
            origin,
        };
        let wanting: Vec<EndpointId> =
            of_bucket.iter().chain(&of_server).flat_map(|rules| rules.wanting(&event)).collect();
        if wanting.is_empty() {
            return Ok(Vec::new());
        }
        let body = serde_json::to_string(&event).map_err(|error| StoreError::Database(error.to_string()))?;
        self.connection
            .prepare_cached("INSERT INTO event (sequencer, id, body) VALUES (?1, ?2, ?3)")?
            .execute(params![signed(event.sequencer.as_u64()), event.id.as_bytes(), body])?;
        self.memory.event_stored(body.len());
        let event = Arc::new(event);
        for endpoint in wanting {
            self.owe(endpoint, &event)?;
        }
        Ok(vec![event.id])
    }

    /// Adds one delivery under the endpoint's next number (DL-4), and hands it over when the owner waits for it.
    fn owe(&mut self, endpoint: EndpointId, event: &Arc<Event>) -> Result<(), StoreError> {
        let Some(slot) = self.memory.slot_mut(endpoint) else {
            return Err(StoreError::Inconsistency { table: "endpoint", column: "id", row: endpoint.0.to_string() });
        };
        slot.numbered_to += 1;
        slot.owed += 1;
        let number = slot.numbered_to;
        // Credit is only left when everything before was taken, so the numbers handed over follow each other.
        let handed = slot.credit > 0 && slot.taken_to + 1 == number;
        if handed {
            slot.credit -= 1;
            slot.taken_to = number;
        }
        self.connection
            .prepare_cached("INSERT INTO delivery (endpoint_id, number, event) VALUES (?1, ?2, ?3)")?
            .execute(params![endpoint.0, signed(number), signed(event.sequencer.as_u64())])?;
        if handed {
            self.memory.hand(endpoint, DueDelivery { number, attempts: 0, event: Arc::clone(event) });
        }
        Ok(())
    }

    /// Returns the rules of a scope, `None` when there are none.
    fn compiled(&mut self, bucket: Option<BucketRow>) -> Result<Option<Arc<CompiledRules<EndpointId>>>, StoreError> {
        if let Some(compiled) = self.memory.compiled(bucket) {
            return Ok(compiled);
        }
        let compiled = rules::compile(self.connection, bucket)?.map(Arc::new);
        self.memory.keep_compiled(bucket, compiled.clone());
        Ok(compiled)
    }
}

/// Returns the bits that keep event ids of different ledgers apart.
fn random() -> Result<u64, StoreError> {
    getrandom::u64().map_err(|error| StoreError::Database(format!("no randomness: {error}")))
}
