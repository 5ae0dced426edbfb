//! One lookup of a name at a time, and a bounded number of them: a dead name server delays only the hosts it is asked for
//! (FN-1).
//!
//! Not its business: how a name is resolved (`resolver`), and how long somebody waits for it (`connector`). Nothing is
//! remembered: when a lookup is done, the next request begins a new one.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, watch};

use crate::Resolve;

/// Lookups at once, each of another name: the system's resolver holds a thread for each.
pub const LOOKUPS_MAX: usize = 128;

/// What came of a lookup, for all who wait for it. An `io::Error` cannot be shared: its kind and its text can.
type Found = Result<Arc<[SocketAddr]>, (io::ErrorKind, Arc<str>)>;
/// `None` until the lookup is done.
type Flight = watch::Sender<Option<Found>>;

/// The lookups in flight. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Lookups(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    resolver: Arc<dyn Resolve>,
    permits: Semaphore,
    flights: Mutex<HashMap<String, Flight>>,
}

/// A lookup's place among those in flight, until it is dropped: also when the resolver panics.
struct Place {
    shared: Arc<Shared>,
    host: String,
    flight: Flight,
}

impl Lookups {
    pub(crate) fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self(Arc::new(Shared { resolver, permits: Semaphore::new(LOOKUPS_MAX), flights: Mutex::default() }))
    }

    /// Returns the addresses of `host`, found now or by a lookup that was on its way.
    ///
    /// # Errors
    ///
    /// What the resolver said to all who wait for this name.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut waiting = self.0.join(host);
        let broke_off = |_| io::Error::other("the lookup broke off");
        let done = waiting.wait_for(Option::is_some).await.map_err(broke_off)?;
        match done.as_ref() {
            Some(Ok(found)) => Ok(found.iter().map(|address| with_port(*address, port)).collect()),
            Some(Err((kind, text))) => Err(io::Error::new(*kind, text.to_string())),
            None => Err(io::Error::other("the lookup broke off")),
        }
    }
}

impl Shared {
    /// Returns where the answer for `host` will be, and begins a lookup unless there is one.
    fn join(self: &Arc<Self>, host: &str) -> watch::Receiver<Option<Found>> {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(host) {
            return flight.subscribe();
        }
        let (flight, waiting) = watch::channel(None);
        flights.insert(host.to_owned(), flight.clone());
        let place = Place { shared: Arc::clone(self), host: host.to_owned(), flight };
        // A task of its own: who gives up waiting frees no thread, so the permit stays with the lookup.
        tokio::spawn(place.look_up());
        waiting
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight>> {
        // Nothing below can panic while it is held, and a map of channels has no half-written state.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    async fn look_up(self) {
        let shared = Arc::clone(&self.shared);
        let mut permit = std::pin::pin!(shared.permits.acquire());
        let permit = loop {
            tokio::select! {
                biased;
                // All gave up before it was this name's turn: it leaves the turn to another one.
                () = self.flight.closed() => if self.left() { return },
                permit = &mut permit => break permit,
            }
        };
        let found = match permit {
            Ok(_permit) => shared.resolver.resolve(&self.host, 0).await,
            Err(closed) => Err(io::Error::other(closed)),
        };
        self.flight.send_replace(Some(found.map(Into::into).map_err(|error| (error.kind(), error.to_string().into()))));
    }

    /// Ends the lookup when nobody waits for it; who comes from now on begins another one.
    fn left(&self) -> bool {
        let mut flights = self.shared.flights();
        let alone = self.flight.receiver_count() == 0;
        if alone {
            flights.remove(&self.host);
        }
        alone
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut flights = self.shared.flights();
        // After `left` the name may be in another lookup's hands.
        if flights.get(&self.host).is_some_and(|flight| flight.same_channel(&self.flight)) {
            flights.remove(&self.host);
        }
    }
}

/// Returns `address` on `port`, its zone kept.
fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}
