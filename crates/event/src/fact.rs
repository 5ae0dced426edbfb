//! The event itself: immutable once committed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{EventId, EventType, Sequencer, Timestamp};

/// User metadata of an object: names in lower case without `x-amz-meta-`.
pub type Metadata = BTreeMap<String, String>;

/// One fact. Written in the transaction of the change that it tells of (OB-1), never changed after that.
///
/// Its JSON form is how the ledger keeps it: fields may be added, with a default, but never renamed or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub sequencer: Sequencer,
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When the change was committed (`eventTime`).
    pub time: Timestamp,
    pub fact: Fact,
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
}

/// What the event tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fact {
    Object(Object),
    Operation(Operation),
}

/// The object as it was when the event was raised. Of a removal: the object that is no more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Object {
    pub bucket: String,
    /// Who owns the bucket, where known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bucket_owner: String,
    /// The raw key: UTF-8, at most 1,024 bytes, never escaped here.
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// Length in bytes. Absent for a delete marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// An operational event (B11): what it is about, and the details its type documents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Operation {
    /// The thing it is about: a backend's name, an endpoint's id, an instance.
    pub subject: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

/// Who asked for the change, from where, by which request. Fields that are not known are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The account's name (`userIdentity.principalId`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub principal: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source_ip: String,
    /// `x-amz-request-id` of the request.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// `x-amz-id-2`: the instance that served it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
}

impl Origin {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Event {
    /// Returns the object of a data event.
    #[must_use]
    pub const fn object(&self) -> Option<&Object> {
        match &self.fact {
            Fact::Object(object) => Some(object),
            Fact::Operation(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fact: Fact, origin: Origin) -> Event {
        let sequencer = Sequencer::from_u64(1_767_323_045_678_912);
        Event {
            id: EventId::new(sequencer, 7),
            sequencer,
            kind: EventType::ObjectCreatedPut,
            time: sequencer.timestamp(),
            fact,
            origin,
        }
    }

    #[test]
    fn the_stored_form_reads_back() {
        let object = Object {
            bucket: "photos".into(),
            key: "a b/ü+%\u{1}.jpg".into(),
            size: Some(0),
            metadata: [("camera".to_owned(), "x100".to_owned())].into(),
            ..Object::default()
        };
        let origin = Origin { principal: "alice".into(), ..Origin::default() };
        for event in [
            event(Fact::Object(object), origin),
            event(Fact::Operation(Operation { subject: "disk-1".into(), ..Operation::default() }), Origin::default()),
        ] {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
        }
    }

    /// Guards Y1: a field that an older version did not write must have a default.
    #[test]
    fn the_first_stored_form_is_still_read() {
        let text = r#"{"id":"019b7d09-312e-7e40-8000-000000000007","sequencer":1767323045678912,"type":"s3:ObjectCreated:Put",
            "time":1767323045678912,"fact":{"object":{"bucket":"b","key":"k"}}}"#;
        assert_eq!(serde_json::from_str::<Event>(text).unwrap().object().unwrap().key, "k");
    }
}
