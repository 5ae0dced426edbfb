//! Names to addresses.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin};

/// The addresses of a name, on their way.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Turns a name into addresses. What it answers is judged before anything connects.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// Resolves `host`, never an address literal. `port` is that of the addresses to return, and decides nothing else: one
    /// answer serves every port of the host.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The resolver of the operating system, with its hosts file and search domains. A lookup holds a thread for as long as a
/// name server lets it wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) })
    }
}
