//! What readers see: buckets, objects, listings.

use bucketbell_event::{Metadata, Timestamp};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{parsed, sequencer, unsigned};
use crate::{
    AccountId, BlobId, Bucket, CommitError, Content, Listing, ListingQuery, ObjectRecord, StoreError, StoredChecksum,
};

/// Keys on one page at most, as S3 has it.
const PAGE_MAX: usize = 1000;

const BUCKET: &str = "SELECT b.name, b.owner_id, a.name, b.created_us FROM bucket b JOIN account a ON a.id = b.owner_id
                      WHERE b.deleted_us IS NULL";
const OBJECT: &str = "SELECT key, sequencer, size, etag, last_modified_us, content_type, headers, metadata, checksum,
                             blob_id FROM object";

fn read_bucket(row: &Row<'_>) -> rusqlite::Result<Bucket> {
    Ok(Bucket {
        name: row.get(0)?,
        owner: AccountId(row.get(1)?),
        owner_name: row.get(2)?,
        created: Timestamp::from_micros(row.get(3)?),
    })
}

pub(super) fn bucket(connection: &Connection, name: &str) -> Result<Option<Bucket>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{BUCKET} AND b.name = ?1"))?;
    Ok(statement.query_row([name], read_bucket).optional()?)
}

pub(super) fn buckets(connection: &Connection) -> Result<Vec<Bucket>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("{BUCKET} ORDER BY b.name"))?;
    let rows = statement.query_map([], read_bucket)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn bucket_row(connection: &Connection, name: &str) -> Result<i64, CommitError> {
    connection
        .prepare_cached("SELECT id FROM bucket WHERE name = ?1 AND deleted_us IS NULL")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(StoreError::from)?
        .ok_or_else(|| CommitError::NoSuchBucket(name.to_owned()))
}

/// An object row, and where its bytes are: a blob, or inline under its sequencer.
struct Found {
    record: ObjectRecord,
    blob: Option<BlobId>,
}

fn read_object(row: &Row<'_>) -> Result<Found, StoreError> {
    let key: Vec<u8> = row.get(0)?;
    let key = parsed(String::from_utf8(key), "object", "key", "not UTF-8")?;
    let headers: Option<String> = row.get(6)?;
    let headers = headers.map(|text| parsed(serde_json::from_str(&text), "object", "headers", &key)).transpose()?;
    let stored: Option<String> = row.get(7)?;
    let metadata = metadata(stored.as_deref(), &key)?;
    let checksum: Option<String> = row.get(8)?;
    let checksum = checksum
        .as_deref()
        .and_then(|text| text.split_once(' '))
        .map(|(algorithm, value)| StoredChecksum { algorithm: algorithm.to_owned(), value: value.to_owned() });
    let blob: Option<[u8; 16]> = row.get(9)?;
    let record = ObjectRecord {
        sequencer: sequencer(row.get(1)?),
        size: unsigned(row.get(2)?),
        etag: row.get(3)?,
        last_modified: Timestamp::from_micros(row.get(4)?),
        content_type: row.get(5)?,
        headers: headers.unwrap_or_default(),
        metadata,
        checksum,
        content: None,
        key,
    };
    Ok(Found { record, blob: blob.map(BlobId::from_bytes) })
}

/// Returns the user metadata of a row.
pub(super) fn metadata(stored: Option<&str>, key: &str) -> Result<Metadata, StoreError> {
    stored.map_or_else(|| Ok(Metadata::new()), |text| parsed(serde_json::from_str(text), "object", "metadata", key))
}

pub(super) fn object(
    connection: &Connection,
    bucket: &str,
    key: &str,
    with_content: bool,
) -> Result<Option<ObjectRecord>, CommitError> {
    let bucket = bucket_row(connection, bucket)?;
    let mut statement = connection
        .prepare_cached(&format!("{OBJECT} WHERE bucket_id = ?1 AND key = ?2 AND rank = 0"))
        .map_err(StoreError::from)?;
    let mut rows = statement.query(params![bucket, key.as_bytes()]).map_err(StoreError::from)?;
    let Some(row) = rows.next().map_err(StoreError::from)? else { return Ok(None) };
    let Found { mut record, blob } = read_object(row)?;
    if with_content {
        record.content = Some(match blob {
            Some(blob) => Content::Blob(blob),
            None => Content::Inline(inline(connection, &record)?),
        });
    }
    Ok(Some(record))
}

fn inline(connection: &Connection, record: &ObjectRecord) -> Result<Bytes, StoreError> {
    if record.size == 0 {
        return Ok(Bytes::new());
    }
    let mut statement = connection.prepare_cached("SELECT bytes FROM blob_inline WHERE id = ?1")?;
    let id = super::rows::signed(record.sequencer.as_u64());
    let bytes: Option<Vec<u8>> = statement.query_row([id], |row| row.get(0)).optional()?;
    bytes.map(Bytes::from).ok_or_else(|| StoreError::Inconsistency {
        table: "blob_inline",
        column: "id",
        row: id.to_string(),
    })
}

/// Where a scan goes on: from this key on, with or without it.
enum From {
    At(Vec<u8>),
    After(Vec<u8>),
}

impl From {
    fn bound(&self) -> &[u8] {
        match self {
            Self::At(key) | Self::After(key) => key,
        }
    }
}

pub(super) fn list(connection: &Connection, bucket: &str, query: &ListingQuery) -> Result<Listing, CommitError> {
    let bucket = bucket_row(connection, bucket)?;
    let page = query.max_keys.min(PAGE_MAX);
    let mut listing = Listing::default();
    let mut from = (page > 0).then(|| start(query));
    let mut last = None;
    while let Some(place) = from.take() {
        let mut statement = connection.prepare_cached(&scan(&place)).map_err(StoreError::from)?;
        let end = successor(query.prefix.as_bytes());
        let mut rows = statement.query(params![bucket, place.bound(), end]).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            // One more than there is room for tells that the page is not the last.
            if listing.objects.len() + listing.common_prefixes.len() == page {
                listing.next = last;
                return Ok(listing);
            }
            let record = read_object(row)?.record;
            if let Some(common) = common_prefix(query, &record.key) {
                // Everything under a common prefix is skipped in one step, whatever its number.
                from = successor(common.as_bytes()).map(From::At);
                last = Some(common.to_owned());
                listing.common_prefixes.push(common.to_owned());
                break;
            }
            last = Some(record.key.clone());
            listing.objects.push(record);
        }
    }
    Ok(listing)
}

/// Returns where the page begins: after `after`, and past its common prefix when it is one.
fn start(query: &ListingQuery) -> From {
    if query.after.as_str() < query.prefix.as_str() {
        return From::At(query.prefix.clone().into_bytes());
    }
    match common_prefix(query, &query.after) {
        Some(common) if common.len() == query.after.len() => {
            successor(common.as_bytes()).map_or_else(|| From::After(common.as_bytes().to_vec()), From::At)
        }
        _ => From::After(query.after.clone().into_bytes()),
    }
}

fn common_prefix<'a>(query: &ListingQuery, key: &'a str) -> Option<&'a str> {
    if query.delimiter.is_empty() {
        return None;
    }
    let rest = key.strip_prefix(query.prefix.as_str())?;
    let end = query.prefix.len() + rest.find(&query.delimiter)? + query.delimiter.len();
    key.get(..end)
}

/// Returns the first byte string after all that start with `prefix`; none when `prefix` is all 0xFF, or empty.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut bound = prefix.to_vec();
    while let Some(byte) = bound.pop() {
        if byte < u8::MAX {
            bound.push(byte + 1);
            return Some(bound);
        }
    }
    None
}

/// Returns the statement that scans current versions from a place on, below `?3`. No UTF-8 text holds the byte 0xFF.
fn scan(from: &From) -> String {
    let comparison = match from {
        From::At(_) => ">=",
        From::After(_) => ">",
    };
    format!(
        "{OBJECT} WHERE bucket_id = ?1 AND key {comparison} ?2 AND key < coalesce(?3, x'ff') AND rank = 0 ORDER BY key"
    )
}
