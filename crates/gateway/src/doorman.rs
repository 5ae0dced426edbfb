//! Who may do what: access keys for the signature, and the owner of the bucket for the rest.

use std::sync::Arc;

use async_trait::async_trait;
use bucketbell_access::Accounts;
use bucketbell_ledger::{AccessKey, Account, Ledger, Role};
use http::{HeaderMap, header};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    s3_error,
};

use crate::{
    exchange::{Exchange, Target},
    failure,
    gateway::XML_BYTES_MAX,
    operation, parameter, proof,
};

/// Longer ones are not looked up: nobody has one.
const ACCESS_KEY_BYTES_MAX: usize = 128;

/// Stands between `s3s` and the operations. `s3s` asks for the secret key first, checks the signature with it, and then
/// asks whether the operation may be done.
#[derive(Clone)]
pub(crate) struct Doorman {
    accounts: Arc<Accounts>,
    ledger: Arc<dyn Ledger>,
}

impl Doorman {
    pub(crate) fn new(accounts: Arc<Accounts>, ledger: Arc<dyn Ledger>) -> Self {
        Self { accounts, ledger }
    }

    async fn access_key(&self, exchange: Option<&Exchange>, access_key: &str) -> S3Result<AccessKey> {
        if access_key.len() > ACCESS_KEY_BYTES_MAX {
            return Err(unknown_key());
        }
        match self.accounts.access_key(access_key).await {
            Ok(Some(key)) => Ok(key),
            Ok(None) => Err(unknown_key()),
            Err(error) => Err(match exchange {
                Some(exchange) => failure::of_store(exchange, &error),
                None => failure::of_store(&Exchange::new(String::new(), None, b""), &error),
            }),
        }
    }

    /// Refuses everybody but the bucket's owner and admins. That a bucket is not there is for the operation to tell.
    async fn check_owner(&self, exchange: &Exchange, account: &Account, bucket: &str) -> S3Result<()> {
        if account.role == Role::Admin {
            return Ok(());
        }
        match self.ledger.bucket(bucket).await {
            Ok(Some(bucket)) if bucket.owner != account.id => Err(s3_error!(AccessDenied, "Access Denied.")),
            Ok(_) => Ok(()),
            Err(error) => Err(failure::of_store(exchange, &error)),
        }
    }
}

/// Refuses a document that is too large before it is read.
fn check_xml_size(operation: &str, headers: &HeaderMap) -> S3Result<()> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if operation == "CreateBucket" && length.is_some_and(|length: u64| length > XML_BYTES_MAX as u64) {
        return Err(s3_error!(
            MaxMessageLengthExceeded,
            "Your request was too big: the document may have {} bytes.",
            XML_BYTES_MAX
        ));
    }
    Ok(())
}

fn unknown_key() -> s3s::S3Error {
    s3_error!(InvalidAccessKeyId, "The AWS access key ID you provided does not exist in our records.")
}

#[async_trait]
impl S3Auth for Doorman {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let key = self.access_key(None, access_key).await?;
        Ok(SecretKey::from(key.secret_key.expose()))
    }
}

#[async_trait]
impl S3Access for Doorman {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(access_key) = cx.credentials().map(|credentials| credentials.access_key.clone()) else {
            return Err(s3_error!(AccessDenied, "Anonymous access is not allowed. Sign the request."));
        };
        proof::check(cx.headers(), cx.uri())?;
        let exchange = of_request(cx.extensions_mut())?;
        let account = self.access_key(Some(&exchange), &access_key).await?.account;
        let path = cx.s3_path();
        let target = Target {
            operation: cx.s3_op().name().to_owned(),
            bucket: path.get_bucket_name().unwrap_or_default().to_owned(),
            key_bytes: path.get_object_key().map_or(0, str::len),
        };
        exchange.note_caller(account.clone(), target);
        operation::check(cx.s3_op().name())?;
        parameter::check(cx.s3_op().name(), cx.uri())?;
        operation::check_features(cx.headers(), cx.uri())?;
        check_xml_size(cx.s3_op().name(), cx.headers())?;
        match cx.s3_path().get_bucket_name() {
            Some(bucket) if cx.s3_op().name() != "CreateBucket" => self.check_owner(&exchange, &account, bucket).await,
            _ => Ok(()),
        }
    }
}

/// Returns what the service noted about the request.
///
/// # Errors
///
/// `InternalError` when the request did not come through [`crate::GatewayService`].
pub(crate) fn of_request(extensions: &http::Extensions) -> S3Result<Arc<Exchange>> {
    extensions.get::<Arc<Exchange>>().cloned().ok_or_else(|| s3_error!(InternalError))
}
