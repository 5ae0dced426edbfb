//! FN-1: a name whose name server is dead costs one lookup, however many wait for it.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bucketbell_guard::{Client, ClientConfig, LOOKUPS_MAX, Reach, Resolve, Resolving, SendError};
use tokio::{sync::Notify, task::JoinSet, time::timeout};

use crate::server::{LONG, OK, answer_all, destination, post_to, serve};

/// Never answers for a name that begins with `dead`, until it is told to; `alive…` is loopback, and `gone` is refused.
#[derive(Debug, Default)]
struct Halting {
    asked: Mutex<HashMap<String, usize>>,
    asking: Notify,
    release: Notify,
}

impl Halting {
    /// Returns how often a name was asked for.
    fn asked(&self, host: &str) -> usize {
        self.counts().get(host).copied().unwrap_or_default()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.asked.lock().expect("no test panicked while it counted")
    }

    async fn names_asked(&self, count: usize) {
        let asked = async {
            while self.counts().len() < count {
                self.asking.notified().await;
            }
        };
        timeout(LONG, asked).await.expect("they are looked up");
    }
}

impl Resolve for Halting {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move {
            *self.counts().entry(host.to_owned()).or_default() += 1;
            self.asking.notify_one();
            if host.starts_with("dead") {
                self.release.notified().await;
            }
            if host.starts_with("gone") {
                return Err(io::Error::new(io::ErrorKind::NotFound, "no such name"));
            }
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
        })
    }
}

/// A client that waits `patience` for a name, and its resolver.
fn client(patience: Duration) -> (Client, Arc<Halting>) {
    let resolver = Arc::new(Halting::default());
    let config = ClientConfig { resolver: resolver.clone(), resolve_timeout: patience, ..ClientConfig::default() };
    (Client::new(config).expect("the configuration is right"), resolver)
}

async fn post_by_name(client: &Client, host: &str, port: u16) -> Result<u16, SendError> {
    let destination = destination(&format!("http://{host}:{port}/"));
    post_to(client, &destination, LONG, Reach::Vouched).await.map(|answer| answer.status)
}

#[tokio::test]
async fn more_waiters_for_a_dead_name_than_lookups_leave_room_for_another_name() {
    let port = serve(|stream, _| answer_all(stream, OK)).await.port();
    let (client, resolver) = client(LONG);
    let mut waiting = JoinSet::new();
    for number in 0..LOOKUPS_MAX + 50 {
        let client = client.clone();
        // Other ports are the same name.
        let port = if number == 0 { port + 1 } else { port };
        waiting.spawn(async move { post_by_name(&client, "dead.example", port).await });
    }
    resolver.names_asked(1).await;
    assert_eq!(post_by_name(&client, "alive.example", port).await, Ok(200), "FN-1");
    assert_eq!(resolver.asked("dead.example"), 1, "one lookup for all who wait");
    assert!(waiting.try_join_next().is_none(), "they wait for it");
    resolver.release.notify_one();
    let mut answered = 0;
    while let Some(outcome) = waiting.join_next().await {
        answered += usize::from(outcome.unwrap() == Ok(200));
    }
    assert!(answered >= LOOKUPS_MAX + 49, "each went to its own port with the one answer: {answered}");
    assert_eq!(post_by_name(&client, "gone.example", port).await, post_by_name(&client, "gone.example", port).await);
    assert_eq!(resolver.asked("gone.example"), 2, "nothing is remembered");
}

#[tokio::test]
async fn who_gives_up_leaves_the_lookup_to_who_comes_next() {
    let port = serve(|stream, _| answer_all(stream, OK)).await.port();
    let (client, resolver) = client(Duration::from_millis(20));
    for _ in 0..5 {
        let error = post_by_name(&client, "dead.example", port).await.expect_err("it is dead");
        assert_eq!(error.to_string(), "the host does not resolve: the name server did not answer in time");
    }
    assert_eq!(resolver.asked("dead.example"), 1, "each holds a thread until it ends, so there is one");
    let status = async {
        // The patience is short: the next one may still find the dead lookup, but not for ever.
        loop {
            resolver.release.notify_one();
            if let Ok(status) = post_by_name(&client, "dead.example", port).await {
                break status;
            }
        }
    };
    assert_eq!(timeout(LONG, status).await.expect("the name server is back"), 200);
}

#[tokio::test]
async fn no_more_names_are_looked_up_at_once_than_allowed_and_those_given_up_take_no_turn() {
    let port = serve(|stream, _| answer_all(stream, OK)).await.port();
    let (client, resolver) = client(Duration::from_millis(500));
    let mut waiting = JoinSet::new();
    for number in 0..LOOKUPS_MAX * 2 {
        let client = client.clone();
        waiting.spawn(async move { post_by_name(&client, &format!("dead-{number}.example"), port).await });
    }
    resolver.names_asked(LOOKUPS_MAX).await;
    while let Some(outcome) = waiting.join_next().await {
        assert!(matches!(outcome.unwrap(), Err(SendError::Unresolved(_))));
    }
    assert_eq!(resolver.counts().len(), LOOKUPS_MAX);
    resolver.release.notify_one();
    let late = async { while post_by_name(&client, "alive.example", port).await != Ok(200) {} };
    timeout(LONG, late).await.expect("the turn that came free is not taken by names nobody waits for");
    assert_eq!(resolver.counts().len(), LOOKUPS_MAX + 1);
}
