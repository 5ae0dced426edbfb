//! What is known about one request and its answer, shared between the layers that it passes.

use std::{
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bucketbell_event::{EventId, Origin};
use bucketbell_ledger::Account;

/// Bytes of a `User-Agent` that an event keeps.
const USER_AGENT_BYTES_MAX: usize = 256;

/// Where a request comes from. The listener puts it into the request's extensions; without it, events have no source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// One request, from its first byte to its log line.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// `x-amz-request-id`.
    pub(crate) request_id: String,
    pub(crate) peer: Option<SocketAddr>,
    user_agent: String,
    /// Set once the signature was good.
    account: OnceLock<Account>,
    target: OnceLock<Target>,
    events: OnceLock<Vec<EventId>>,
    failed: AtomicBool,
}

/// What a request is about.
#[derive(Debug, Default)]
pub(crate) struct Target {
    /// Name of the S3 operation.
    pub(crate) operation: String,
    pub(crate) bucket: String,
    /// The key itself stays out of logs.
    pub(crate) key_bytes: usize,
}

impl Exchange {
    pub(crate) fn new(request_id: String, peer: Option<SocketAddr>, user_agent: &[u8]) -> Self {
        let user_agent = user_agent.get(..USER_AGENT_BYTES_MAX).unwrap_or(user_agent);
        Self {
            request_id,
            peer,
            user_agent: String::from_utf8_lossy(user_agent).into_owned(),
            account: OnceLock::new(),
            target: OnceLock::new(),
            events: OnceLock::new(),
            failed: AtomicBool::new(false),
        }
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.get()
    }

    pub(crate) fn target(&self) -> Option<&Target> {
        self.target.get()
    }

    pub(crate) fn events(&self) -> &[EventId] {
        self.events.get().map_or(&[], Vec::as_slice)
    }

    /// Notes who asks for what. The first note stands.
    pub(crate) fn note_caller(&self, account: Account, target: Target) {
        self.account.get_or_init(|| account);
        self.target.get_or_init(|| target);
    }

    /// Notes what the request raised (X11). The first note stands: a request is one change.
    pub(crate) fn note_events(&self, events: Vec<EventId>) {
        self.events.get_or_init(|| events);
    }

    /// Notes that we failed, and not the client.
    pub(crate) fn note_failure(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Returns who asked, for the event.
    pub(crate) fn origin(&self, host_id: &str, region: &str) -> Origin {
        Origin {
            principal: self.account().map(|account| account.name.clone()).unwrap_or_default(),
            source_ip: self.peer.map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default(),
            request_id: self.request_id.clone(),
            host_id: host_id.to_owned(),
            user_agent: self.user_agent.clone(),
            region: region.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_ledger::{AccountId, Role};

    use super::*;

    #[test]
    fn the_origin_tells_who_from_where_and_by_which_request() {
        let peer = "[::ffff:192.0.2.7]:4711".parse().unwrap();
        let exchange = Exchange::new("4F".into(), Some(peer), &b"a".repeat(1000));
        let account = Account { id: AccountId(1), name: "alice".into(), role: Role::User };
        exchange.note_caller(account, Target::default());
        let origin = exchange.origin("host-1", "eu-west-1");
        assert_eq!((origin.principal.as_str(), origin.source_ip.as_str()), ("alice", "192.0.2.7"));
        assert_eq!(
            (origin.request_id.as_str(), origin.host_id.as_str(), origin.region.as_str()),
            ("4F", "host-1", "eu-west-1")
        );
        assert_eq!(origin.user_agent.len(), USER_AGENT_BYTES_MAX);
    }
}
