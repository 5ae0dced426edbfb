//! A3 to A6 at the end: what was begun is finished and remembered, or cut off whole. Also when the sender has hung up.

use std::{
    future::Future,
    net::SocketAddr,
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bucketbell_receiver::{
    CONCURRENCY_DEFAULT, Exec, HandlerError, Handlers, IncomingDialect, Receiver, TIMEOUT_DEFAULT, serve,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
};

use crate::{
    commands::{appears, endless, is_killed},
    fixture::{Home, NOW, counts, deliver, deliver_minio, minimal, put, sent, signed, unsigned},
};

/// Handlers that wait at a gate, and tell when they are there.
struct Gate {
    release: Arc<Notify>,
    entered: mpsc::UnboundedReceiver<()>,
    through: Arc<AtomicBool>,
}

impl Gate {
    fn new() -> (Self, Handlers) {
        let (release, through) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (enter, entered) = mpsc::unbounded_channel();
        let gate = Self { release: Arc::clone(&release), entered, through: Arc::clone(&through) };
        let handlers = Handlers::default().rest(move |_| {
            let (release, enter, through) = (Arc::clone(&release), enter.clone(), Arc::clone(&through));
            async move {
                enter.send(()).map_err(|_| HandlerError::failed("the test is over"))?;
                release.notified().await;
                through.store(true, Ordering::SeqCst);
                Ok(())
            }
        });
        (gate, handlers)
    }

    /// Waits until a handler is there, or `receiving` has ended, which is dropped: the sender hangs up.
    async fn hang_up_inside(&mut self, receiving: impl Future) {
        tokio::select! {
            _ = receiving => panic!("it waits for the handler"),
            entered = self.entered.recv() => entered.expect("the handler runs"),
        }
    }
}

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn served(receiver: Receiver) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(listener, receiver, async {
        let _ = stopped.await;
    }));
    Served { address, stop, server }
}

/// Posts the minimal body and returns the connection, to hang up.
async fn post(address: SocketAddr) -> TcpStream {
    let body = minimal().to_string();
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!("POST /webhooks/minio HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("it reads");
    stream
}

async fn until_nobody_listens(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// Guards against a receiver that ended at once because nobody waited for an answer: the handler went on, or broke off,
/// and what it did was not remembered.
#[tokio::test]
async fn a_receiver_does_not_end_before_what_a_gone_sender_had_begun() {
    let home = Home::new();
    let (mut gate, handlers) = Gate::new();
    let Served { address, stop, server } = served(home.open_receiver(handlers)).await;
    let sender = post(address).await;
    gate.entered.recv().await.expect("the handler runs");
    drop(sender);
    let _ = stop.send(());
    until_nobody_listens(address).await;
    gate.release.notify_one();
    server.await.expect("it ends");
    assert!(gate.through.load(Ordering::SeqCst), "the handler was finished");
    let (_, handlers) = Gate::new();
    let again = deliver_minio(&home.open_receiver(handlers), &minimal()).await;
    assert_eq!(counts(&again), [0, 1, 0, 0], "A4: and remembered");
}

#[tokio::test]
async fn what_takes_too_long_at_the_end_is_cut_off_with_all_it_started() {
    let home = Home::new();
    let pid_file = home.file().with_extension("pid");
    let exec = Exec::try_new(&endless(&pid_file), CONCURRENCY_DEFAULT, TIMEOUT_DEFAULT).expect("the command is one");
    let mut config = unsigned();
    config.stop_timeout = Duration::from_millis(100);
    let Served { address, stop, server } = served(Receiver::new(config, home.memory(), exec.handlers())).await;
    let sender = post(address).await;
    appears(&pid_file).await;
    drop(sender);
    let _ = stop.send(());
    server.await.expect("it ends, although the command would not");
    is_killed(&pid_file).await;
    let (mut gate, handlers) = Gate::new();
    let receiver = home.open_receiver(handlers);
    gate.hang_up_inside(deliver_minio(&receiver, &minimal())).await;
    gate.release.notify_one();
    assert_eq!(receiver.finish(Duration::from_secs(20)).await, 0, "A6: it was not remembered, so it came again");
}

#[tokio::test]
async fn who_still_waits_when_it_is_cut_off_is_told_to_come_again() {
    let home = Home::new();
    let (mut gate, handlers) = Gate::new();
    let receiver = home.receiver(handlers);
    let waiting = tokio::spawn({
        let receiver = receiver.clone();
        async move { deliver(&receiver, &put("a", 1)).await }
    });
    gate.entered.recv().await.expect("the handler runs");
    assert_eq!(receiver.finish(Duration::ZERO).await, 1);
    let reply = waiting.await.unwrap();
    assert_eq!((reply.status, reply.retry_after), (503, Some(Duration::from_secs(1))));
    assert_eq!(deliver(&receiver, &put("b", 1)).await.status, 503, "nothing new is begun after the end");
    assert_eq!(receiver.finish(Duration::ZERO).await, 0, "there is nothing left to wait for");
}

/// Guards against tasks without bound: each hang-up left one behind, and the sender came again.
#[tokio::test]
async fn no_more_is_handled_at_once_than_allowed_also_when_senders_hang_up() {
    let home = Home::new();
    let (mut gate, handlers) = Gate::new();
    let mut config = signed();
    config.requests_max = NonZeroU16::new(2).unwrap();
    let receiver = Receiver::new(config, home.memory(), handlers);
    for (at, key) in (1..).zip(["a", "b"]) {
        gate.hang_up_inside(deliver(&receiver, &put(key, at))).await;
    }
    let third = put("c", 3);
    let reply = deliver(&receiver, &third).await;
    assert_eq!((reply.status, reply.retry_after), (503, Some(Duration::from_secs(1))));
    let (headers, body) = sent(&put("d", 4), "another secret");
    let forged = receiver.receive(IncomingDialect::Bucketbell, &headers, body, NOW).await;
    assert_eq!(forged.status, 401, "who is nobody learns nothing of it");
    // A slot is free when what was begun has ended.
    let done = async {
        loop {
            gate.release.notify_one();
            if counts(&deliver(&receiver, &third).await) == [1, 0, 0, 0] {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), done).await.expect("there is room again");
}
