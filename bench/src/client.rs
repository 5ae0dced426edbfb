//! The bare HTTP client that the reference loops and the bench's own errands use: hyper-util's pool on plain TCP, with a
//! connector that dials an address, and checks which one it got.
//!
//! It does not use `guard`, whose cost is part of what is measured.

use std::{future::Future, io, net::IpAddr, pin::Pin, time::Duration};

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_util::{
    client::legacy::Client as Pool,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;
use tower::util::ServiceFn;

const IDLE_MAX: usize = 512;
const CONNECT_TIME_MAX: Duration = Duration::from_secs(2);

type Dialled = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

/// Pools connections to loopback addresses.
pub type Client = Pool<ServiceFn<fn(Uri) -> Dialled>, Full<Bytes>>;

/// Makes a client without connections.
pub fn client() -> Client {
    Pool::builder(TokioExecutor::new())
        .pool_max_idle_per_host(IDLE_MAX)
        .pool_timer(TokioTimer::new())
        .build(tower::service_fn(dial as fn(Uri) -> Dialled))
}

fn dial(uri: Uri) -> Dialled {
    Box::pin(async move {
        let address = uri.host().and_then(|host| host.parse::<IpAddr>().ok()).filter(allowed);
        let (Some(address), Some(port)) = (address, uri.port_u16()) else {
            return Err(io::Error::other("the bench talks to loopback addresses with a port only"));
        };
        let stream = tokio::time::timeout(CONNECT_TIME_MAX, TcpStream::connect((address, port))).await??;
        if !allowed(&stream.peer_addr()?.ip()) {
            return Err(io::Error::other("connected to another address than the one that was judged"));
        }
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    })
}

const fn allowed(address: &IpAddr) -> bool {
    address.is_loopback()
}
