//! Names to addresses, in bounded time and number.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use tokio::sync::Semaphore;

/// Lookups of the system's resolver at once: each one holds a thread for as long as a name server lets it wait.
pub const LOOKUPS_MAX: usize = 128;

/// The addresses of a name, on their way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Turns a name into addresses. What it answers is judged before anything connects.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// Resolves `host`, never an address literal.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The resolver of the operating system, with its hosts file and search domains.
#[derive(Debug)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let host = host.to_owned();
            // A task of its own: who gives up waiting frees no thread, so the permit stays with the lookup.
            let lookup = tokio::spawn(async move {
                let found = tokio::net::lookup_host((host, port)).await.map(Iterator::collect);
                drop(permit);
                found
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
