//! `Records`: what AWS S3 sends, and MinIO in its own envelope around the same records.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    field::{DecodeError, Place, bounded},
    received::{Family, Received},
};
use crate::escape::form_decoded;

/// Reads the list `Records`. `null` is an empty one, as MinIO's keep-alive writes it.
pub(super) fn decode(json: Value) -> Result<Vec<Received>, DecodeError> {
    let body = Place::new(&json, String::new())?;
    let missing = body.refuse("Records", "is missing");
    let not_a_list = body.refuse("Records", "is not a list");
    let Value::Object(mut body) = json else { return Err(missing) };
    match body.remove("Records") {
        Some(Value::Array(list)) => {
            bounded(list)?.into_iter().enumerate().map(|(at, json)| record(json, format!("Records[{at}]"))).collect()
        }
        Some(Value::Null) => Ok(Vec::new()),
        Some(_) => Err(not_a_list),
        None => Err(missing),
    }
}

/// Reads `Records`, or the flat message that S3 sends to test a new configuration.
pub(super) fn decode_or_test(json: Value) -> Result<Vec<Received>, DecodeError> {
    if json.get("Records").is_none() && json.get("Event").is_some() { Ok(vec![test(json)?]) } else { decode(json) }
}

fn record(json: Value, path: String) -> Result<Received, DecodeError> {
    let place = Place::new(&json, path)?;
    let name = place.kept("eventName")?.ok_or_else(|| place.refuse("eventName", "is missing or empty"))?;
    // AWS leaves the prefix out, MinIO writes it.
    let kind = if name.starts_with("s3:") { name } else { format!("s3:{name}") };
    let s3 = place.object("s3")?;
    let bucket = s3.object("bucket")?;
    // What tells of a bucket (`s3:BucketCreated:*`) has no key.
    let object = s3.maybe_object("object")?;
    let mut received = Received {
        identity: String::new(),
        family: Family::of(&kind),
        kind,
        bucket: Some(bucket.kept("name")?.ok_or_else(|| bucket.refuse("name", "is missing or empty"))?),
        key: None,
        version_id: None,
        sequencer: None,
        time: place.kept("eventTime")?,
        size: None,
        etag: None,
        json: Value::Null,
    };
    if let Some(object) = object {
        if let Some(key) = object.maybe_text("key")? {
            let key = form_decoded(key).map_err(|problem| object.refuse("key", problem))?;
            received.key = Some(object.key("key", key)?);
        }
        received.version_id = object.kept("versionId")?;
        received.sequencer = object.kept("sequencer")?;
        received.size = object.size("size")?;
        received.etag = object.kept("eTag")?;
    }
    if received.key.is_none() && received.family != Family::Other {
        return Err(s3.refuse("object.key", "is missing or empty"));
    }
    received.identity = identity(&received, &json);
    received.json = json;
    Ok(received)
}

fn test(json: Value) -> Result<Received, DecodeError> {
    let place = Place::new(&json, String::new())?;
    let kind = place.kept("Event")?.ok_or_else(|| place.refuse("Event", "is missing or empty"))?;
    let mut received = Received {
        identity: String::new(),
        family: Family::of(&kind),
        kind,
        bucket: place.kept("Bucket")?,
        key: None,
        version_id: None,
        sequencer: None,
        time: place.kept("Time")?,
        size: None,
        etag: None,
        json: Value::Null,
    };
    received.identity = identity(&received, &json);
    received.json = json;
    Ok(received)
}

/// Returns what a record is known by, since it has no id (A4): bucket, key, version, sequencer, type and time. A record
/// with neither time nor sequencer is known by all that it says (A5).
fn identity(received: &Received, json: &Value) -> String {
    let content = match (&received.time, &received.sequencer) {
        (None, None) => Some(json.to_string()),
        _ => None,
    };
    let fields = [
        received.bucket.as_deref(),
        received.key.as_deref(),
        received.version_id.as_deref(),
        received.sequencer.as_deref(),
        Some(received.kind.as_str()),
        received.time.as_deref(),
        content.as_deref(),
    ];
    let mut hash = Sha256::new();
    for field in fields {
        // The length goes before the text, so that no two lists of fields make one text.
        let field = field.unwrap_or_default();
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}
