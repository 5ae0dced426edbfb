//! `PutObject`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bucketbell_ledger::{Change, ChangeKind, PutObject, WritePrecondition};
use s3s::{S3Request, S3Response, S3Result, dto, s3_error};

use super::{condition, headers};
use crate::{
    body::AnnouncedBody,
    checksum::{self, Declared},
    doorman::of_request,
    exchange::Exchange,
    failure,
    gateway::Backend,
    upload::Announced,
};

impl Backend {
    pub(crate) async fn put_object(
        &self,
        request: S3Request<dto::PutObjectInput>,
    ) -> S3Result<S3Response<dto::PutObjectOutput>> {
        let exchange = of_request(&request.extensions)?;
        let mut input = request.input;
        let announced = Announced {
            length: length(&input)?,
            md5: input.content_md5.as_deref().map(md5).transpose()?,
            checksum: Declared::of(&request.headers)?,
            trailers: request.trailing_headers,
        };
        if announced.length > self.config.object_bytes_max {
            return Err(failure::too_large());
        }
        let precondition = condition::of_write(input.if_match.take(), input.if_none_match.take())?;
        let kept = headers::content_headers(&mut input)?;
        let metadata = headers::metadata(input.metadata.take())?;
        if announced.length > self.config.inline_bytes_max as u64 {
            self.refuse_early(&exchange, &input.bucket, &input.key, &precondition).await?;
        }

        let body = AnnouncedBody::new(input.body.take(), announced.length, self.config.body_idle_max);
        let mut received = self.receive(&exchange, body, &announced).await?;
        let staged = received.take_staged();
        let output = answer(&received.etag, received.checksum.as_ref());
        let put = PutObject {
            bucket: input.bucket,
            key: input.key,
            precondition,
            content: received.content,
            size: announced.length,
            etag: received.etag,
            content_type: input.content_type,
            headers: kept,
            metadata,
            checksum: received.checksum,
        };
        let change = Change { origin: self.origin(&exchange), kind: ChangeKind::PutObject(put) };
        let committed = self.commit(change, staged).await.map_err(|error| failure::of_commit(&exchange, &error))?;
        exchange.note_events(committed.events);
        Ok(S3Response::new(output))
    }

    /// Refuses what the commit would refuse, before a large body has come all the way. The commit decides again.
    async fn refuse_early(
        &self,
        exchange: &Exchange,
        bucket: &str,
        key: &str,
        precondition: &WritePrecondition,
    ) -> S3Result<()> {
        if *precondition == WritePrecondition::None {
            return self.bucket(exchange, bucket).await.map(drop);
        }
        let record = self.ledger.object(bucket, key, false).await;
        let record = record.map_err(|error| failure::of_commit(exchange, &error))?;
        match (precondition, record) {
            (WritePrecondition::Absent, Some(_)) => Err(failure::precondition_failed()),
            (WritePrecondition::Matches(_), None) => Err(failure::no_such_key()),
            (WritePrecondition::Matches(etag), Some(record)) if etag != "*" && *etag != record.etag => {
                Err(failure::precondition_failed())
            }
            _ => Ok(()),
        }
    }
}

/// Returns the length of the object: of the body without its framing.
fn length(input: &dto::PutObjectInput) -> S3Result<u64> {
    let length = input.content_length.ok_or_else(|| {
        s3_error!(
            MissingContentLength,
            "The length of the body must be known: send Content-Length, or x-amz-decoded-content-length."
        )
    })?;
    u64::try_from(length).map_err(|_| s3_error!(InvalidArgument, "The length of a body is never negative."))
}

fn md5(text: &str) -> S3Result<[u8; 16]> {
    let digest = STANDARD.decode(text.trim()).ok().and_then(|digest| digest.try_into().ok());
    digest.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not 16 bytes in base64."))
}

fn answer(etag: &str, checksum: Option<&bucketbell_ledger::StoredChecksum>) -> dto::PutObjectOutput {
    let sums = checksum::fields(checksum);
    dto::PutObjectOutput {
        e_tag: Some(dto::ETag::Strong(etag.to_owned())),
        checksum_crc32: sums.checksum_crc32,
        checksum_crc32c: sums.checksum_crc32c,
        checksum_crc64nvme: sums.checksum_crc64nvme,
        checksum_sha1: sums.checksum_sha1,
        checksum_sha256: sums.checksum_sha256,
        checksum_type: sums.checksum_type,
        ..Default::default()
    }
}
