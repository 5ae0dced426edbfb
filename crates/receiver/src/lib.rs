//! For programs that take webhooks in: verify, drop repeats, see the order, call a handler.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bucketbell_receiver::{Handlers, KEEP_DEFAULT, Memory, Receiver, ReceiverConfig, serve};
//!
//! let config = ReceiverConfig::try_new(&[std::env::var("HOOK_SECRET")?], false)?;
//! let handlers = Handlers::default()
//!     .upload("photos", |arrival| async move {
//!         println!("new: {:?}", arrival.event.key);
//!         Ok(())
//!     })
//!     .rest(|_| async { Ok(()) });
//! let receiver = Receiver::new(config, Memory::open("seen.db".as_ref(), KEEP_DEFAULT)?, handlers);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:5000").await?;
//! serve(listener, receiver, std::future::pending()).await;
//! # Ok(()) }
//! ```
//!
//! An event is handled once, however often it is sent, also after a restart (A4). A sender hears 2xx only after the
//! handler succeeded and that is on disk (A6). Between the two lies a moment: a process that dies there handles the
//! event again, so a handler should do the same thing twice without harm.
//!
//! Not its business: what the events are for, and everything of the bucketbell server. It needs no store's client
//! library and no credentials of a store (A1).

#![warn(missing_docs)]

mod arrival;
mod config;
mod handlers;
mod memory;
mod receiver;
mod reply;
mod turns;
mod work;

#[cfg(feature = "server")]
mod exec;
#[cfg(feature = "server")]
mod server;

pub use arrival::{Arrival, Outcome};
pub use bucketbell_dialect::{Family, IncomingDialect, Received, SigningKey};
pub use bucketbell_event::Timestamp;
pub use config::{ConfigError, Observer, REQUESTS_MAX_DEFAULT, ReceiverConfig, STOP_TIMEOUT_DEFAULT, WAIT_DEFAULT};
pub use handlers::{Buckets, HandlerError, Handlers};
pub use memory::{KEEP_DEFAULT, Memory, MemoryError};
pub use receiver::Receiver;
pub use reply::Reply;

#[cfg(feature = "server")]
pub use exec::{CONCURRENCY_DEFAULT, Exec, ExecError, TIMEOUT_DEFAULT};
#[cfg(feature = "server")]
pub use server::{BODY_BYTES_MAX, CONNECTIONS_MAX, router, serve};
