//! Every type of event that bucketbell can raise, in one table.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What kind of thing happened.
///
/// Data events (`s3:…`) tell of an object and carry its bucket and key. Operational events tell of the service (B11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    TestEvent,
    ObjectCreatedPut,
    ObjectCreatedPost,
    ObjectCreatedCopy,
    ObjectCreatedCompleteMultipartUpload,
    ObjectRemovedDelete,
    ObjectRemovedDeleteMarkerCreated,
    ObjectAccessedGet,
    ObjectAccessedHead,
    ObjectTaggingPut,
    ObjectTaggingDelete,
    LifecycleExpirationDelete,
    LifecycleExpirationDeleteMarkerCreated,
    BackendCircuitOpened,
    BackendCircuitClosed,
    BackendCapacityWarning,
    BackendDrainCompleted,
    BackendDrainFailed,
    BackendRemoved,
    IntegrityCorruptionDetected,
    CleanupExhausted,
    ReplicationCompleted,
    ReplicationTargetExhausted,
    RebalanceCompleted,
    LifecycleCompleted,
    ConfigReloadFailed,
    ServiceStarted,
    ServiceStopping,
    EndpointCircuitOpened,
    EndpointCircuitClosed,
    EndpointSuspended,
    DeliveryDead,
    QueueOverflow,
}

/// The name is not one of [`EventType::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown event type `{0}`")]
pub struct UnknownEventType(pub String);

impl EventType {
    /// Every type, in the order of the declaration: `ALL[event as usize] == event`.
    pub const ALL: &[Self] = &[
        Self::TestEvent,
        Self::ObjectCreatedPut,
        Self::ObjectCreatedPost,
        Self::ObjectCreatedCopy,
        Self::ObjectCreatedCompleteMultipartUpload,
        Self::ObjectRemovedDelete,
        Self::ObjectRemovedDeleteMarkerCreated,
        Self::ObjectAccessedGet,
        Self::ObjectAccessedHead,
        Self::ObjectTaggingPut,
        Self::ObjectTaggingDelete,
        Self::LifecycleExpirationDelete,
        Self::LifecycleExpirationDeleteMarkerCreated,
        Self::BackendCircuitOpened,
        Self::BackendCircuitClosed,
        Self::BackendCapacityWarning,
        Self::BackendDrainCompleted,
        Self::BackendDrainFailed,
        Self::BackendRemoved,
        Self::IntegrityCorruptionDetected,
        Self::CleanupExhausted,
        Self::ReplicationCompleted,
        Self::ReplicationTargetExhausted,
        Self::RebalanceCompleted,
        Self::LifecycleCompleted,
        Self::ConfigReloadFailed,
        Self::ServiceStarted,
        Self::ServiceStopping,
        Self::EndpointCircuitOpened,
        Self::EndpointCircuitClosed,
        Self::EndpointSuspended,
        Self::DeliveryDead,
        Self::QueueOverflow,
    ];

    /// Returns the wire name. Receivers match on it: a released name never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TestEvent => "s3:TestEvent",
            Self::ObjectCreatedPut => "s3:ObjectCreated:Put",
            Self::ObjectCreatedPost => "s3:ObjectCreated:Post",
            Self::ObjectCreatedCopy => "s3:ObjectCreated:Copy",
            Self::ObjectCreatedCompleteMultipartUpload => "s3:ObjectCreated:CompleteMultipartUpload",
            Self::ObjectRemovedDelete => "s3:ObjectRemoved:Delete",
            Self::ObjectRemovedDeleteMarkerCreated => "s3:ObjectRemoved:DeleteMarkerCreated",
            Self::ObjectAccessedGet => "s3:ObjectAccessed:Get",
            Self::ObjectAccessedHead => "s3:ObjectAccessed:Head",
            Self::ObjectTaggingPut => "s3:ObjectTagging:Put",
            Self::ObjectTaggingDelete => "s3:ObjectTagging:Delete",
            Self::LifecycleExpirationDelete => "s3:LifecycleExpiration:Delete",
            Self::LifecycleExpirationDeleteMarkerCreated => "s3:LifecycleExpiration:DeleteMarkerCreated",
            Self::BackendCircuitOpened => "backend.circuit.opened",
            Self::BackendCircuitClosed => "backend.circuit.closed",
            Self::BackendCapacityWarning => "backend.capacity.warning",
            Self::BackendDrainCompleted => "backend.drain.completed",
            Self::BackendDrainFailed => "backend.drain.failed",
            Self::BackendRemoved => "backend.removed",
            Self::IntegrityCorruptionDetected => "integrity.corruption_detected",
            Self::CleanupExhausted => "cleanup.exhausted",
            Self::ReplicationCompleted => "replication.completed",
            Self::ReplicationTargetExhausted => "replication.target_exhausted",
            Self::RebalanceCompleted => "rebalance.completed",
            Self::LifecycleCompleted => "lifecycle.completed",
            Self::ConfigReloadFailed => "config.reload_failed",
            Self::ServiceStarted => "service.started",
            Self::ServiceStopping => "service.stopping",
            Self::EndpointCircuitOpened => "endpoint.circuit.opened",
            Self::EndpointCircuitClosed => "endpoint.circuit.closed",
            Self::EndpointSuspended => "endpoint.suspended",
            Self::DeliveryDead => "delivery.dead",
            Self::QueueOverflow => "queue.overflow",
        }
    }

    /// Returns whether the event tells of an object, and so has a bucket and a key that `prefix` applies to (B7).
    #[must_use]
    pub fn is_data(self) -> bool {
        self.as_str().starts_with("s3:")
    }

    /// Returns whether the event tells of a read. `*` leaves these out: they must be asked for by name (B7).
    #[must_use]
    pub const fn is_access(self) -> bool {
        matches!(self, Self::ObjectAccessedGet | Self::ObjectAccessedHead)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = UnknownEventType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|event| event.as_str() == name)
            .ok_or_else(|| UnknownEventType(name.chars().take(128).collect()))
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_type_parses_back() {
        for &event in EventType::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
        }
    }

    #[test]
    fn the_table_is_in_the_order_of_the_declaration() {
        for (place, &event) in EventType::ALL.iter().enumerate() {
            assert_eq!(event as usize, place, "{event}");
        }
    }

    #[test]
    fn unknown_names_are_refused_by_name() {
        for name in ["", "s3:ObjectCreated:put", "ObjectCreated:Put", "s3:ObjectCreated:Put ", "s3:ObjectCreated:*"] {
            assert_eq!(name.parse::<EventType>(), Err(UnknownEventType(name.to_owned())));
        }
    }
}
