//! `DeleteObject`.

use bucketbell_ledger::{Change, ChangeKind, DeleteObject};
use s3s::{S3Request, S3Response, S3Result, dto, s3_error};

use crate::{doorman::of_request, failure, gateway::Backend, operation};

impl Backend {
    /// Deletes a key. That it was not there is a success, too, and raises nothing.
    pub(crate) async fn delete_object(
        &self,
        request: S3Request<dto::DeleteObjectInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        operation::check_version(input.version_id.as_deref())?;
        if input.if_match.is_some() {
            return Err(s3_error!(NotImplemented, "Deleting on a condition is not supported by this server."));
        }
        let delete = DeleteObject { bucket: input.bucket, key: input.key };
        let change = Change { origin: self.origin(&exchange), kind: ChangeKind::DeleteObject(delete) };
        let committed = self.commit(change, None).await.map_err(|error| failure::of_commit(&exchange, &error))?;
        exchange.note_events(committed.events);
        Ok(S3Response::new(dto::DeleteObjectOutput::default()))
    }
}
