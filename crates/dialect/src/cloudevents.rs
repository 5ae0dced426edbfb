//! CloudEvents 1.0 in structured JSON: how `bucketbell` writes an event (B6).

use std::{borrow::Cow, collections::BTreeMap};

use bucketbell_event::{Event, EventId, EventType, Fact, Metadata, Object, Operation, Origin, Sequencer, Timestamp};
use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::escape::path_segment;

/// Content type of one event in structured mode.
pub(crate) const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// Most bodies fit; larger ones grow.
const BODY_BYTES_USUAL: usize = 1024;

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: EventId,
    source: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: EventType,
    /// The raw key. An attribute is non-empty or absent.
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    #[serde(serialize_with = "rfc_3339")]
    time: Timestamp,
    datacontenttype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Object(Box<ObjectData<'a>>),
    Operation(OperationData<'a>),
}

/// `data` of a data event. Receivers read these names: they never change, and new ones only join.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectData<'a> {
    bucket: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<&'a str>,
    #[serde(serialize_with = "as_text")]
    sequencer: Sequencer,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "maybe_rfc_3339")]
    last_modified: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: &'a Metadata,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    bucket_owner: &'a str,
    #[serde(flatten)]
    origin: OriginData<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OriginData<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    principal: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    source_ip: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    host_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    user_agent: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    region: &'a str,
}

/// `data` of an operational event: what it is about, and beside it the details its type documents.
struct OperationData<'a>(&'a Operation);

/// Writes `event` as one CloudEvent.
pub(crate) fn render(event: &Event) -> Bytes {
    let (source, subject, data) = match &event.fact {
        Fact::Object(object) => (
            Cow::Owned(format!("/bucketbell/{}", path_segment(&object.bucket))),
            object.key.as_str(),
            Data::Object(Box::new(ObjectData::new(object, event.sequencer, &event.origin))),
        ),
        Fact::Operation(operation) => {
            (Cow::Borrowed("/bucketbell"), operation.subject.as_str(), Data::Operation(OperationData(operation)))
        }
    };
    let cloud_event = CloudEvent {
        specversion: "1.0",
        id: event.id,
        source,
        kind: event.kind,
        subject,
        time: event.time,
        datacontenttype: "application/json",
        data,
    };
    let mut text = Vec::with_capacity(BODY_BYTES_USUAL);
    // Maps with text for keys, written to memory: nothing in it can fail. What could not be written would not be JSON,
    // and an empty body is refused by every receiver instead of misleading one.
    if serde_json::to_writer(&mut text, &cloud_event).is_err() {
        text.clear();
    }
    Bytes::from(text)
}

impl<'a> ObjectData<'a> {
    fn new(object: &'a Object, sequencer: Sequencer, origin: &'a Origin) -> Self {
        Self {
            bucket: &object.bucket,
            key: &object.key,
            size: object.size,
            etag: object.etag.as_deref(),
            version_id: object.version_id.as_deref(),
            sequencer,
            last_modified: object.last_modified,
            content_type: object.content_type.as_deref(),
            metadata: &object.metadata,
            tags: &object.tags,
            bucket_owner: &object.bucket_owner,
            origin: OriginData {
                principal: &origin.principal,
                source_ip: &origin.source_ip,
                request_id: &origin.request_id,
                host_id: &origin.host_id,
                user_agent: &origin.user_agent,
                region: &origin.region,
            },
        }
    }
}

impl Serialize for OperationData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("subject", &self.0.subject)?;
        for (name, value) in self.0.details.iter().filter(|(name, _)| *name != "subject") {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn rfc_3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn maybe_rfc_3339<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc_3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

fn as_text<S: Serializer>(sequencer: &Sequencer, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(sequencer)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rendered(kind: EventType, fact: Fact, origin: Origin) -> Value {
        let sequencer = Sequencer::from_u64(1_767_323_045_678_912);
        let event =
            Event { id: EventId::new(sequencer, 7), sequencer, kind, time: sequencer.timestamp(), fact, origin };
        serde_json::from_slice(&render(&event)).unwrap()
    }

    #[test]
    fn a_data_event_is_the_cloud_event_of_the_contract() {
        let object = Object {
            bucket: "photos".into(),
            bucket_owner: "alice".into(),
            key: "a b/ü+%\u{1}.jpg".into(),
            version_id: Some("v3".into()),
            size: Some(1024),
            etag: Some("9e107d9d372bb6826bd81d3542a419d6".into()),
            content_type: Some("image/jpeg".into()),
            last_modified: Some(Timestamp::from_micros(1_767_323_045_000_000)),
            metadata: [("camera".to_owned(), "x100".to_owned())].into(),
            tags: BTreeMap::new(),
        };
        let origin = Origin {
            principal: "alice".into(),
            source_ip: "10.0.0.7".into(),
            request_id: "01JG".into(),
            ..Origin::default()
        };
        assert_eq!(
            rendered(EventType::ObjectCreatedPut, Fact::Object(object), origin),
            json!({
                "specversion": "1.0",
                "id": "019b7ca9-8f2e-7e40-8000-000000000007",
                "source": "/bucketbell/photos",
                "type": "s3:ObjectCreated:Put",
                "subject": "a b/ü+%\u{1}.jpg",
                "time": "2026-01-02T03:04:05.678Z",
                "datacontenttype": "application/json",
                "data": {
                    "bucket": "photos", "key": "a b/ü+%\u{1}.jpg", "size": 1024, "etag": "9e107d9d372bb6826bd81d3542a419d6",
                    "versionId": "v3", "sequencer": "0006475EF6574F40", "lastModified": "2026-01-02T03:04:05.000Z",
                    "contentType": "image/jpeg", "metadata": {"camera": "x100"}, "bucketOwner": "alice",
                    "principal": "alice", "sourceIp": "10.0.0.7", "requestId": "01JG",
                },
            })
        );
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let object = Object { bucket: "b_ü".into(), ..Object::default() };
        let event = rendered(EventType::ObjectRemovedDeleteMarkerCreated, Fact::Object(object), Origin::default());
        assert_eq!(event["source"], "/bucketbell/b_%C3%BC");
        assert_eq!(event.get("subject"), None, "an attribute is non-empty or absent");
        assert_eq!(event["data"], json!({"bucket": "b_ü", "key": "", "sequencer": "0006475EF6574F40"}));
    }

    #[test]
    fn an_operational_event_tells_what_it_is_about() {
        let details = [("reason".to_owned(), "disk full".to_owned()), ("subject".to_owned(), "other".to_owned())];
        let operation = Operation { subject: "disk-1".into(), details: details.into() };
        let event = rendered(EventType::BackendRemoved, Fact::Operation(operation), Origin::default());
        assert_eq!((&event["source"], &event["subject"]), (&json!("/bucketbell"), &json!("disk-1")));
        assert_eq!(event["data"], json!({"subject": "disk-1", "reason": "disk full"}));
    }
}
