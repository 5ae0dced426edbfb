//! CloudEvents 1.0 in structured JSON, one or a batch: what `bucketbell` and `s3-orchestrator` send.

use serde_json::Value;

use super::{
    field::{DecodeError, Place, bounded},
    received::{Family, Received},
};

/// Reads one event, or the list that a batch is.
pub(super) fn decode(json: Value) -> Result<Vec<Received>, DecodeError> {
    match json {
        Value::Array(list) => {
            bounded(list)?.into_iter().enumerate().map(|(at, json)| event(json, format!("[{at}]"))).collect()
        }
        json => Ok(vec![event(json, String::new())?]),
    }
}

fn event(json: Value, path: String) -> Result<Received, DecodeError> {
    let place = Place::new(&json, path)?;
    if place.text("specversion")? != "1.0" {
        return Err(place.refuse("specversion", "is not `1.0`"));
    }
    place.text("source")?;
    let kept = |name| place.kept(name)?.ok_or_else(|| place.refuse(name, "is missing or empty"));
    let kind = kept("type")?;
    let mut received = Received {
        identity: kept("id")?,
        family: Family::of(&kind),
        kind,
        bucket: None,
        key: None,
        version_id: None,
        sequencer: None,
        time: place.kept("time")?,
        size: None,
        etag: None,
        json: Value::Null,
    };
    // Only data events carry an object: what an operational event calls `size` is its own business.
    if received.kind.starts_with("s3:") {
        let data = place.object("data")?;
        received.bucket = data.kept("bucket")?;
        received.key = data.maybe_text("key")?.map(|key| data.key("key", key.to_owned())).transpose()?;
        received.version_id = data.kept("versionId")?;
        received.sequencer = data.kept("sequencer")?;
        received.size = data.size("size")?;
        received.etag = data.kept("etag")?;
    }
    received.json = json;
    Ok(received)
}
