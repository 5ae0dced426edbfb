//! The changes of buckets and objects.

use std::sync::Arc;

use bucketbell_event::{EventType, Object, Origin, Timestamp};
use rusqlite::{OptionalExtension, params};

use super::{
    memory::BucketEntry,
    rows::{signed, unsigned},
    writer::Tx,
};
use crate::{
    AccountId, Change, ChangeKind, CommitError, Committed, Content, DeleteObject, PutObject, StoreError,
    WritePrecondition,
};

/// What a write must know of the version that it replaces.
struct Current {
    sequencer: i64,
    size: i64,
    etag: String,
    content_type: Option<String>,
    last_modified_us: i64,
    metadata: Option<String>,
    blob_id: Option<[u8; 16]>,
}

impl Tx<'_> {
    pub fn change(&mut self, change: Change) -> Result<Committed, CommitError> {
        let Change { origin, kind } = change;
        match kind {
            ChangeKind::CreateBucket { name, owner } => self.create_bucket(&name, owner),
            ChangeKind::DeleteBucket { name } => self.delete_bucket(&name),
            ChangeKind::PutObject(put) => self.put_object(put, origin),
            ChangeKind::DeleteObject(delete) => self.delete_object(delete, origin),
        }
    }

    fn create_bucket(&mut self, name: &str, owner: AccountId) -> Result<Committed, CommitError> {
        let stands: Option<i64> = self
            .connection
            .prepare_cached("SELECT owner_id FROM bucket WHERE name = ?1 AND deleted_us IS NULL")
            .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
            .map_err(StoreError::from)?;
        if let Some(stands) = stands {
            return Err(CommitError::BucketExists { name: name.to_owned(), same_owner: stands == owner.0 });
        }
        let sequencer = self.memory.tick(self.clock);
        self.run(
            "INSERT INTO bucket (name, owner_id, created_us) VALUES (?1, ?2, ?3)",
            params![name, owner.0, signed(sequencer.as_u64())],
        )?;
        Ok(Committed { sequencer, events: Vec::new() })
    }

    fn delete_bucket(&mut self, name: &str) -> Result<Committed, CommitError> {
        let bucket = self.live_bucket(name)?;
        let holds: bool = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM object WHERE bucket_id = ?1)")
            .and_then(|mut statement| statement.query_row([bucket.row], |row| row.get(0)))
            .map_err(StoreError::from)?;
        if holds {
            return Err(CommitError::BucketNotEmpty(name.to_owned()));
        }
        let sequencer = self.memory.tick(self.clock);
        self.run("UPDATE bucket SET deleted_us = ?2 WHERE id = ?1", params![bucket.row, signed(sequencer.as_u64())])?;
        self.memory.forget_bucket(name);
        self.memory.forget_compiled(Some(bucket.row));
        Ok(Committed { sequencer, events: Vec::new() })
    }

    fn put_object(&mut self, put: PutObject, origin: Origin) -> Result<Committed, CommitError> {
        let bucket = self.live_bucket(&put.bucket)?;
        let current = self.current(&bucket, &put.key)?;
        check(&put.precondition, current.as_ref())?;
        let sequencer = self.memory.tick(self.clock);
        if let Some(current) = &current {
            self.release(current, sequencer.timestamp())?;
        }
        let blob = match &put.content {
            Content::Blob(blob) => Some(blob.as_bytes()),
            Content::Inline(_) => None,
        };
        self.run(
            "INSERT INTO object (bucket_id, key, rank, sequencer, size, etag, last_modified_us, content_type, headers,
                                 metadata, checksum, blob_id)
             VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (bucket_id, key, rank) DO UPDATE SET
               sequencer = excluded.sequencer, size = excluded.size, etag = excluded.etag,
               last_modified_us = excluded.last_modified_us, content_type = excluded.content_type,
               headers = excluded.headers, metadata = excluded.metadata, checksum = excluded.checksum,
               blob_id = excluded.blob_id",
            params![
                bucket.row,
                put.key.as_bytes(),
                signed(sequencer.as_u64()),
                signed(put.size),
                put.etag,
                sequencer.timestamp().as_micros(),
                put.content_type,
                json_unless(&put.headers, put.headers == Default::default())?,
                json_unless(&put.metadata, put.metadata.is_empty())?,
                put.checksum.as_ref().map(|sum| format!("{} {}", sum.algorithm, sum.value)),
                blob,
            ],
        )?;
        self.keep_content(&put.content, signed(sequencer.as_u64()), sequencer.timestamp())?;
        let object = Object {
            bucket: put.bucket,
            bucket_owner: bucket.owner_name.clone(),
            key: put.key,
            size: Some(put.size),
            etag: Some(put.etag),
            content_type: put.content_type,
            last_modified: Some(sequencer.timestamp()),
            metadata: put.metadata,
            ..Object::default()
        };
        let events = self.publish(bucket.row, EventType::ObjectCreatedPut, sequencer, object, origin)?;
        Ok(Committed { sequencer, events })
    }

    fn delete_object(&mut self, delete: DeleteObject, origin: Origin) -> Result<Committed, CommitError> {
        let bucket = self.live_bucket(&delete.bucket)?;
        // Deleting what does not exist changes nothing: there is nothing to tell, nor to sync.
        let Some(current) = self.current(&bucket, &delete.key)? else {
            return Ok(Committed { sequencer: self.memory.last(), events: Vec::new() });
        };
        let sequencer = self.memory.tick(self.clock);
        self.release(&current, sequencer.timestamp())?;
        self.run(
            "DELETE FROM object WHERE bucket_id = ?1 AND key = ?2 AND rank = 0",
            params![bucket.row, delete.key.as_bytes()],
        )?;
        let object = Object {
            metadata: super::reads::metadata(current.metadata.as_deref(), &delete.key)?,
            bucket: delete.bucket,
            bucket_owner: bucket.owner_name.clone(),
            key: delete.key,
            size: Some(unsigned(current.size)),
            etag: Some(current.etag),
            content_type: current.content_type,
            last_modified: Some(Timestamp::from_micros(current.last_modified_us)),
            ..Object::default()
        };
        let events = self.publish(bucket.row, EventType::ObjectRemovedDelete, sequencer, object, origin)?;
        Ok(Committed { sequencer, events })
    }

    /// Returns the live bucket of that name.
    pub fn live_bucket(&mut self, name: &str) -> Result<Arc<BucketEntry>, CommitError> {
        if let Some(bucket) = self.memory.bucket(name) {
            return Ok(bucket);
        }
        let bucket = self
            .connection
            .prepare_cached(
                "SELECT b.id, a.name FROM bucket b JOIN account a ON a.id = b.owner_id
                 WHERE b.name = ?1 AND b.deleted_us IS NULL",
            )
            .and_then(|mut statement| {
                let entry = |row: &rusqlite::Row<'_>| Ok(BucketEntry { row: row.get(0)?, owner_name: row.get(1)? });
                statement.query_row([name], entry).optional()
            })
            .map_err(StoreError::from)?
            .map(Arc::new)
            .ok_or_else(|| CommitError::NoSuchBucket(name.to_owned()))?;
        self.memory.keep_bucket(name, Arc::clone(&bucket));
        Ok(bucket)
    }

    fn current(&self, bucket: &BucketEntry, key: &str) -> Result<Option<Current>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sequencer, size, etag, content_type, last_modified_us, metadata, blob_id FROM object
             WHERE bucket_id = ?1 AND key = ?2 AND rank = 0",
        )?;
        let current = statement.query_row(params![bucket.row, key.as_bytes()], |row| {
            Ok(Current {
                sequencer: row.get(0)?,
                size: row.get(1)?,
                etag: row.get(2)?,
                content_type: row.get(3)?,
                last_modified_us: row.get(4)?,
                metadata: row.get(5)?,
                blob_id: row.get(6)?,
            })
        });
        Ok(current.optional()?)
    }

    /// Lets go of the bytes of a version that is no more. Inline ones go at once: a backup of the ledger has its own.
    fn release(&self, current: &Current, now: Timestamp) -> Result<(), StoreError> {
        match current.blob_id {
            Some(blob) => {
                self.run("UPDATE blob SET state = 'freed', since_us = ?2 WHERE id = ?1", params![blob, now.as_micros()])
            }
            None => self.run("DELETE FROM blob_inline WHERE id = ?1", [current.sequencer]),
        }
        .map(drop)
    }

    fn keep_content(&self, content: &Content, id: i64, now: Timestamp) -> Result<(), CommitError> {
        match content {
            // Of nothing, nothing is kept.
            Content::Inline(bytes) if bytes.is_empty() => Ok(()),
            Content::Inline(bytes) => {
                self.run("INSERT INTO blob_inline (id, bytes) VALUES (?1, ?2)", params![id, bytes.as_ref()])?;
                Ok(())
            }
            Content::Blob(blob) => {
                let staged = self.run(
                    "UPDATE blob SET state = 'live', since_us = ?2 WHERE id = ?1 AND state = 'staged'",
                    params![blob.as_bytes(), now.as_micros()],
                )?;
                if staged == 1 { Ok(()) } else { Err(CommitError::BlobGone) }
            }
        }
    }

    /// Runs one statement and returns the number of rows that it changed.
    pub fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }
}

fn check(precondition: &WritePrecondition, current: Option<&Current>) -> Result<(), CommitError> {
    match (precondition, current) {
        (WritePrecondition::None, _) | (WritePrecondition::Absent, None) => Ok(()),
        (WritePrecondition::Matches(_), None) => Err(CommitError::NoSuchKey),
        (WritePrecondition::Matches(etag), Some(current)) if etag == "*" || *etag == current.etag => Ok(()),
        (WritePrecondition::Absent | WritePrecondition::Matches(_), Some(_)) => Err(CommitError::PreconditionFailed),
    }
}

fn json_unless<T: serde::Serialize>(value: &T, empty: bool) -> Result<Option<String>, StoreError> {
    if empty {
        return Ok(None);
    }
    serde_json::to_string(value).map(Some).map_err(|error| StoreError::Database(error.to_string()))
}
