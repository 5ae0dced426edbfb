//! Operations on buckets.

use bucketbell_event::Origin;
use bucketbell_ledger::{Account, Bucket, Change, ChangeKind, Role};
use s3s::{S3Request, S3Response, S3Result, dto, s3_error};

use crate::{
    doorman::of_request,
    exchange::Exchange,
    failure,
    gateway::Backend,
    text::{after_token, canonical_id, page_token, s3_time},
};

/// Buckets on one page of a listing, at most and when nothing is asked for (S3's own limit).
const BUCKETS_PAGE_MAX: usize = 10_000;
/// What S3 calls its oldest region: as a location it is written as nothing.
const REGION_WITHOUT_LOCATION: &str = "us-east-1";

impl Backend {
    pub(crate) async fn create_bucket(
        &self,
        request: S3Request<dto::CreateBucketInput>,
    ) -> S3Result<S3Response<dto::CreateBucketOutput>> {
        let exchange = of_request(&request.extensions)?;
        let name = request.input.bucket;
        self.check_location(request.input.create_bucket_configuration)?;
        let owner = caller(&exchange)?.id;
        let location = format!("/{name}");
        self.change(&exchange, ChangeKind::CreateBucket { name, owner }).await?;
        Ok(S3Response::new(dto::CreateBucketOutput { location: Some(location), ..Default::default() }))
    }

    pub(crate) async fn head_bucket(
        &self,
        request: S3Request<dto::HeadBucketInput>,
    ) -> S3Result<S3Response<dto::HeadBucketOutput>> {
        let exchange = of_request(&request.extensions)?;
        self.bucket(&exchange, &request.input.bucket).await?;
        let region = Some(self.config.region.clone());
        Ok(S3Response::new(dto::HeadBucketOutput { bucket_region: region, ..Default::default() }))
    }

    pub(crate) async fn delete_bucket(
        &self,
        request: S3Request<dto::DeleteBucketInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketOutput>> {
        let exchange = of_request(&request.extensions)?;
        self.change(&exchange, ChangeKind::DeleteBucket { name: request.input.bucket }).await?;
        Ok(S3Response::new(dto::DeleteBucketOutput::default()))
    }

    pub(crate) async fn get_bucket_location(
        &self,
        request: S3Request<dto::GetBucketLocationInput>,
    ) -> S3Result<S3Response<dto::GetBucketLocationOutput>> {
        let exchange = of_request(&request.extensions)?;
        self.bucket(&exchange, &request.input.bucket).await?;
        let region = Some(self.config.region.clone()).filter(|region| region != REGION_WITHOUT_LOCATION);
        Ok(S3Response::new(dto::GetBucketLocationOutput { location_constraint: region.map(Into::into) }))
    }

    /// Answers that the bucket was never versioned, which is the truth.
    pub(crate) async fn get_bucket_versioning(
        &self,
        request: S3Request<dto::GetBucketVersioningInput>,
    ) -> S3Result<S3Response<dto::GetBucketVersioningOutput>> {
        let exchange = of_request(&request.extensions)?;
        self.bucket(&exchange, &request.input.bucket).await?;
        Ok(S3Response::new(dto::GetBucketVersioningOutput::default()))
    }

    /// Lists the caller's buckets, and to an admin everybody's.
    pub(crate) async fn list_buckets(
        &self,
        request: S3Request<dto::ListBucketsInput>,
    ) -> S3Result<S3Response<dto::ListBucketsOutput>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        let account = caller(&exchange)?;
        let page_max = match input.max_buckets.map(usize::try_from) {
            None => BUCKETS_PAGE_MAX,
            Some(Ok(asked @ 1..=BUCKETS_PAGE_MAX)) => asked,
            Some(_) => return Err(s3_error!(InvalidArgument, "max-buckets must be from 1 to {BUCKETS_PAGE_MAX}.")),
        };
        if input.bucket_region.as_ref().is_some_and(|region| *region != self.config.region) {
            return Err(s3_error!(InvalidArgument, "All buckets are in this server's region, {}.", self.config.region));
        }
        let after = match input.continuation_token.as_deref() {
            None => String::new(),
            Some(token) => after_token(token)
                .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect."))?,
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        let all = self.ledger.buckets().await.map_err(|error| failure::of_store(&exchange, &error))?;
        let mut mine: Vec<_> = all
            .into_iter()
            .filter(|bucket| account.role == Role::Admin || bucket.owner == account.id)
            .filter(|bucket| bucket.name > after && bucket.name.starts_with(&prefix))
            .take(page_max + 1)
            .collect();
        let more = mine.len() > page_max;
        mine.truncate(page_max);
        let token = mine.last().filter(|_| more).map(|last| page_token(&last.name));
        Ok(S3Response::new(dto::ListBucketsOutput {
            buckets: Some(mine.into_iter().map(listed).collect()),
            continuation_token: token,
            owner: Some(dto::Owner { display_name: Some(account.name.clone()), id: Some(canonical_id(account.id)) }),
            prefix: input.prefix,
        }))
    }

    /// Returns a bucket.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, or the ledger's own failure.
    pub(crate) async fn bucket(&self, exchange: &Exchange, name: &str) -> S3Result<Bucket> {
        match self.ledger.bucket(name).await {
            Ok(Some(bucket)) => Ok(bucket),
            Ok(None) => Err(s3_error!(NoSuchBucket, "The specified bucket does not exist.")),
            Err(error) => Err(failure::of_store(exchange, &error)),
        }
    }

    async fn change(&self, exchange: &Exchange, kind: ChangeKind) -> S3Result<()> {
        let change = Change { origin: self.origin(exchange), kind };
        match self.ledger.commit(change).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failure::of_commit(exchange, &error)),
        }
    }

    pub(crate) fn origin(&self, exchange: &Exchange) -> Origin {
        exchange.origin(&self.config.host_id, &self.config.region)
    }

    fn check_location(&self, asked: Option<dto::CreateBucketConfiguration>) -> S3Result<()> {
        let Some(asked) = asked else { return Ok(()) };
        if asked.bucket.is_some() || asked.location.is_some() {
            return Err(s3_error!(NotImplemented, "Directory buckets are not supported by this server."));
        }
        if asked.tags.is_some_and(|tags| !tags.is_empty()) {
            return Err(s3_error!(NotImplemented, "Tagging buckets is not supported by this server."));
        }
        match asked.location_constraint {
            Some(location) if !location.as_str().is_empty() && location.as_str() != self.config.region => {
                Err(s3_error!(
                    IllegalLocationConstraintException,
                    "The location constraint is not this server's region, which is {}.",
                    self.config.region
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Returns who asks. [`crate::doorman`] has let nobody pass without an account.
fn caller(exchange: &Exchange) -> S3Result<&Account> {
    exchange.account().ok_or_else(|| s3_error!(AccessDenied, "Access Denied."))
}

fn listed(bucket: Bucket) -> dto::Bucket {
    dto::Bucket { creation_date: Some(s3_time(bucket.created)), name: Some(bucket.name), ..Default::default() }
}
