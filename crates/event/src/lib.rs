//! What happened to an object, or to the service: the event, its ids, its type and the patterns that select types.
//!
//! Everything here is a value. Not its business: where events are kept (`ledger`), who wants them (`rule`), how they
//! look on the wire of any system (`dialect`). No I/O and no clock: time and randomness are arguments.

mod event_id;
mod event_type;
mod fact;
mod pattern;
mod sequencer;
mod timestamp;

pub use event_id::{EventId, ParseEventIdError};
pub use event_type::{EventType, UnknownEventType};
pub use fact::{Event, Fact, Metadata, Object, Operation, Origin};
pub use pattern::{EventSet, Pattern, PatternError};
pub use sequencer::Sequencer;
pub use timestamp::Timestamp;
