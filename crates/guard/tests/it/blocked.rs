//! C5: what the policy refuses is never connected to.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bucketbell_guard::{Client, ClientConfig, Reach, Resolve, Resolving, SendError, Special};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{LONG, OK, answer_all, client, destination, post_to, serve};

/// Answers each lookup with the next of its lists, over and over.
#[derive(Debug)]
struct Scripted {
    answers: Vec<Vec<&'static str>>,
    lookups: AtomicUsize,
}

impl Resolve for Scripted {
    fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
        let answer = &self.answers[self.lookups.fetch_add(1, Ordering::SeqCst) % self.answers.len()];
        let addresses =
            answer.iter().map(|address| SocketAddr::new(address.parse().expect("an address"), port)).collect();
        Box::pin(async move { Ok(addresses) })
    }
}

/// Never answers.
#[derive(Debug)]
struct Hanging;

impl Resolve for Hanging {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        Box::pin(std::future::pending::<io::Result<Vec<SocketAddr>>>())
    }
}

fn resolving(resolver: impl Resolve) -> Client {
    let config = ClientConfig {
        resolver: Arc::new(resolver),
        resolve_timeout: Duration::from_millis(50),
        connect_timeout: Duration::from_millis(500),
        ..ClientConfig::default()
    };
    Client::new(config).expect("the configuration is right")
}

/// Proves that nobody has connected so far: the first connection that the listener sees is our own.
async fn nobody_connected(listener: &TcpListener) {
    let mine = TcpStream::connect(listener.local_addr().expect("it is bound")).await.expect("it listens");
    let (_, peer) = listener.accept().await.expect("a connection waits");
    assert_eq!(peer, mine.local_addr().expect("it is connected"), "somebody else came first");
}

#[tokio::test]
async fn no_spelling_of_loopback_is_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = client();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "[64:ff9b::7f00:1]",
        "[::7f00:1]",
        "[2002:7f00:1::]",
        "[::]",
    ] {
        let destination = destination(&format!("http://{host}:{port}/"));
        let refused = post_to(&client, &destination, LONG, Reach::Public).await;
        assert!(matches!(refused, Err(SendError::Blocked(_))), "{host}: {refused:?}");
    }
    nobody_connected(&listener).await;
}

#[tokio::test]
async fn metadata_is_refused_even_when_vouched_for() {
    let client = client();
    for host in ["169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "[::ffff:a9fe:a9fe]"] {
        let error = post_to(&client, &destination(&format!("http://{host}/latest")), LONG, Reach::Vouched)
            .await
            .expect_err(host);
        assert!(matches!(error, SendError::Blocked(_)), "{host}: {error}");
        assert!(!error.to_string().contains("latest"));
    }
}

/// A name that answers differently each time gains nothing: what is dialled is what was judged.
#[tokio::test]
async fn a_rebinding_name_reaches_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = resolving(Scripted {
        answers: vec![
            vec!["203.0.113.9"],
            vec!["127.0.0.1"],
            vec!["::1", "::ffff:127.0.0.1"],
            vec!["10.0.0.1", "127.0.0.1"],
        ],
        lookups: AtomicUsize::new(0),
    });
    let destination = destination(&format!("http://rebind.example:{port}/"));
    for _ in 0..40 {
        let refused = post_to(&client, &destination, LONG, Reach::Public).await;
        assert!(matches!(refused, Err(SendError::Blocked(_))), "{refused:?}");
    }
    nobody_connected(&listener).await;
}

#[tokio::test]
async fn of_several_addresses_only_those_that_pass_are_dialled() {
    let address = serve(|stream, _| answer_all(stream, OK)).await;
    let client = resolving(Scripted {
        answers: vec![vec!["169.254.169.254", "fd00:ec2::254", "127.0.0.1"]],
        lookups: AtomicUsize::new(0),
    });
    let destination = destination(&format!("http://inside.example:{}/", address.port()));
    assert_eq!(post_to(&client, &destination, LONG, Reach::Vouched).await.unwrap().status, 200);
    let refused = post_to(&client, &destination, LONG, Reach::Public).await;
    let Err(SendError::Blocked(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.special(), Special::Loopback, "the pool of another reach is not used either");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_says_so_in_bounded_time() {
    let nowhere = destination("http://nowhere.example/token");
    let nothing = resolving(Scripted { answers: vec![vec![]], lookups: AtomicUsize::new(0) });
    let error = post_to(&nothing, &nowhere, LONG, Reach::Public).await.expect_err("there is no address");
    assert!(error.to_string().starts_with("the host does not resolve: "), "{error}");
    let error = post_to(&resolving(Hanging), &nowhere, LONG, Reach::Public).await.expect_err("it never answers");
    assert_eq!(error.to_string(), "the host does not resolve: the name server did not answer in time");
    let error = post_to(&resolving(Hanging), &nowhere, Duration::from_millis(5), Reach::Public).await;
    assert_eq!(error, Err(SendError::TimedOut), "the deadline of the attempt covers the lookup");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = post_to(&client(), &destination(&format!("http://{address}/token")), LONG, Reach::Vouched).await;
    assert_eq!(error, Err(SendError::Unreachable("connection refused".to_owned())));
}
