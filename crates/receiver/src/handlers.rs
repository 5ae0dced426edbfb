//! Who handles what: by family of event and by bucket, and a catch-all (A3).

use std::{fmt, pin::Pin, sync::Arc};

use bucketbell_dialect::{Family, Received};

use crate::Arrival;

type Handling = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;
type Handler = Arc<dyn Fn(Arc<Arrival>) -> Handling + Send + Sync>;

/// Which buckets a handler is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Buckets {
    /// Every bucket.
    All,
    /// The one of this name.
    Named(String),
}

/// Why a handler did not handle an event. The sender is told that it failed, not why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerError {
    message: String,
    busy: bool,
}

/// The handlers of a receiver. The first that was added for an event's family and bucket gets it, else the catch-all.
/// An event that nobody is there for counts as handled.
#[derive(Clone, Default)]
pub struct Handlers {
    by_family: Vec<(Family, Buckets, Handler)>,
    rest: Option<Handler>,
}

impl HandlerError {
    /// The event was not handled: the sender tries again, later each time.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), busy: false }
    }

    /// There is no room for the event now: the sender should try again soon.
    #[must_use]
    pub fn busy(message: impl Into<String>) -> Self {
        Self { message: message.into(), busy: true }
    }

    pub(crate) const fn is_busy(&self) -> bool {
        self.busy
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

/// Any error is a failure, so handlers can use `?`.
impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::failed(message)
    }
}

impl From<&str> for Buckets {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl From<String> for Buckets {
    fn from(name: String) -> Self {
        Self::Named(name)
    }
}

impl Handlers {
    /// Adds the handler of `s3:ObjectCreated:*` in `buckets`.
    #[must_use]
    pub fn upload<F, R>(self, buckets: impl Into<Buckets>, handler: F) -> Self
    where
        F: Fn(Arc<Arrival>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.on(Family::Upload, buckets, handler)
    }

    /// Adds the handler of `s3:ObjectRemoved:*` in `buckets`.
    #[must_use]
    pub fn delete<F, R>(self, buckets: impl Into<Buckets>, handler: F) -> Self
    where
        F: Fn(Arc<Arrival>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.on(Family::Delete, buckets, handler)
    }

    /// Adds the handler of `s3:ObjectAccessed:*` in `buckets`.
    #[must_use]
    pub fn access<F, R>(self, buckets: impl Into<Buckets>, handler: F) -> Self
    where
        F: Fn(Arc<Arrival>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.on(Family::Access, buckets, handler)
    }

    /// Adds the handler of a family in `buckets`.
    #[must_use]
    pub fn on<F, R>(mut self, family: Family, buckets: impl Into<Buckets>, handler: F) -> Self
    where
        F: Fn(Arc<Arrival>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.by_family.push((family, buckets.into(), boxed(handler)));
        self
    }

    /// Sets the handler of everything that no other is for.
    #[must_use]
    pub fn rest<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Arc<Arrival>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.rest = Some(boxed(handler));
        self
    }

    /// Runs the handler that `arrival` is for.
    pub(crate) async fn handle(&self, arrival: Arc<Arrival>) -> Result<(), HandlerError> {
        match self.choose(&arrival.event) {
            Some(handler) => handler(arrival).await,
            None => Ok(()),
        }
    }

    fn choose(&self, event: &Received) -> Option<&Handler> {
        let matches = |family: Family, buckets: &Buckets| {
            family == event.family
                && match buckets {
                    Buckets::All => true,
                    Buckets::Named(name) => event.bucket.as_deref() == Some(name),
                }
        };
        let chosen = self.by_family.iter().find(|(family, buckets, _)| matches(*family, buckets));
        chosen.map(|(_, _, handler)| handler).or(self.rest.as_ref())
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.by_family.iter().map(|(family, buckets, _)| (family, buckets));
        out.debug_list().entries(named).entries(self.rest.as_ref().map(|_| "rest")).finish()
    }
}

fn boxed<F, R>(handler: F) -> Handler
where
    F: Fn(Arc<Arrival>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    Arc::new(move |arrival| Box::pin(handler(arrival)))
}
