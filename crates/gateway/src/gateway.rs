//! The gateway: what it is made of, and which method serves which operation.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bucketbell_access::Accounts;
use bucketbell_blob::BlobStore;
use bucketbell_ledger::Ledger;
use s3s::{
    S3, S3Request, S3Response, S3Result,
    config::{S3Config, StaticConfigProvider},
    dto,
    host::SingleDomain,
    service::S3ServiceBuilder,
};
use tokio_util::task::TaskTracker;

use crate::{ConfigError, GatewayConfig, doorman::Doorman, preflight::SIGNED_CHUNK_BYTES_MAX, service::GatewayService};

/// A `CreateBucket` body is the largest XML that is taken.
pub(crate) const XML_BYTES_MAX: usize = 64 * 1024;
/// Forms are refused before they are read; this bounds them should one get further.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The S3 side of one store.
#[derive(Clone)]
pub struct Gateway {
    service: GatewayService,
    tasks: TaskTracker,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// Makes the gateway to a ledger and its blobs.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the settings make no sense.
    pub fn new(
        config: GatewayConfig,
        ledger: Arc<dyn Ledger>,
        blobs: Arc<dyn BlobStore>,
        accounts: Arc<Accounts>,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        let tasks = TaskTracker::new();
        let doorman = Doorman::new(accounts, Arc::clone(&ledger));
        let config = Arc::new(config);
        let backend = Backend { config: Arc::clone(&config), ledger, blobs, tasks: tasks.clone() };
        let mut builder = S3ServiceBuilder::new(backend);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(protocol(&config)))));
        builder.set_auth(doorman.clone());
        builder.set_access(doorman);
        if let Some(domain) = &config.domain {
            builder.set_host(host(domain)?);
        }
        Ok(Self { service: GatewayService::new(builder.build(), &config), tasks })
    }

    /// Returns the service, for every connection a clone of it.
    #[must_use]
    pub fn service(&self) -> GatewayService {
        self.service.clone()
    }

    /// Waits until nothing is left of the requests that ended early: commits that nobody waits for any more, and blobs
    /// that are being removed. Call it after the last connection has ended and before the ledger is closed.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn host(domain: &str) -> Result<SingleDomain, ConfigError> {
    let refused = |reason: String| ConfigError::Domain { domain: domain.to_owned(), reason };
    if domain.contains(':') {
        return Err(refused("leave the port out".to_owned()));
    }
    SingleDomain::new(domain).map_err(|error| refused(error.to_string()))
}

/// Returns the limits of the protocol layer. SigV2 stays off; so do query strings of other services.
fn protocol(config: &GatewayConfig) -> S3Config {
    let mut protocol = S3Config::default();
    protocol.xml_max_body_size = XML_BYTES_MAX;
    protocol.put_object_max_size = Some(config.object_bytes_max);
    protocol.post_object_max_file_size = FORM_BYTES_MAX as u64;
    protocol.form_max_field_size = FORM_BYTES_MAX;
    protocol.form_max_fields_size = FORM_BYTES_MAX;
    protocol.form_max_parts = 32;
    protocol.aws_chunked_stream_max_chunk_size = SIGNED_CHUNK_BYTES_MAX;
    protocol.sig_v4_allowed_services = vec!["s3".to_owned()];
    protocol
}

/// What the operations work on. They are in `bucket`, `listing` and `object`.
pub(crate) struct Backend {
    pub(crate) config: Arc<GatewayConfig>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    /// What goes on after its request was dropped.
    pub(crate) tasks: TaskTracker,
}

/// Hands the operations of [`crate::operation::SUPPORTED`] on. The others answer `NotImplemented`, and never come here.
macro_rules! operations {
    ($($name:ident($input:ident) -> $output:ident;)*) => {
        #[async_trait]
        impl S3 for Backend {
            $(
                async fn $name(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                    Backend::$name(self, request).await
                }
            )*

            /// A form upload is not a PUT: by default `s3s` would make one of it.
            async fn post_object(
                &self,
                _request: S3Request<dto::PostObjectInput>,
            ) -> S3Result<S3Response<dto::PostObjectOutput>> {
                Err(s3s::s3_error!(NotImplemented, "Form uploads are not supported by this server."))
            }
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput;
    list_objects(ListObjectsInput) -> ListObjectsOutput;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    put_object(PutObjectInput) -> PutObjectOutput;
    get_object(GetObjectInput) -> GetObjectOutput;
    head_object(HeadObjectInput) -> HeadObjectOutput;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput;
}
