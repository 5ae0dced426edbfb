//! The end: what is in flight finishes, and nothing new begins.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Instant,
};

use bucketbell_event::Timestamp;
use bucketbell_rule::Secret;
use bytes::Bytes;
use http::Method;

use crate::{
    program::{DEADLINE, Server, answer, folder, serve},
    sigv4::Signer,
};

/// Credentials that [`begin`] signs with.
pub const CREDENTIALS: [(&str, &str); 3] = [
    ("BUCKETBELL_ADMIN_TOKEN", "given-token"),
    ("BUCKETBELL_ADMIN_ACCESS_KEY", "GIVENKEY"),
    ("BUCKETBELL_ADMIN_SECRET_KEY", "given-secret"),
];
const BODY: &[u8] = b"half of it, and the other half";

fn signer() -> Signer {
    Signer { access_key: "GIVENKEY".into(), secret_key: Secret::new("given-secret"), region: "us-east-1".into() }
}

fn start(folder: &std::path::Path) -> Server {
    Server::start(serve(folder).envs(CREDENTIALS))
}

/// Writes a signed request's head and the first `sent` bytes of its body.
pub fn begin(server: &Server, path: &str, body: &'static [u8], sent: usize) -> TcpStream {
    let host = server.s3.trim_start_matches("http://");
    #[expect(clippy::disallowed_methods, reason = "a real server judges the date of a signature by the real time")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_micros(i64::try_from(now.as_micros()).unwrap());
    let request = signer().request(Method::PUT, host, path, Bytes::from_static(body), now).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "PUT {path} HTTP/1.1\r\ncontent-length: {}\r\nconnection: close\r\n", body.len()).unwrap();
    for (name, value) in request.headers() {
        write!(stream, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
    }
    stream.write_all(b"\r\n").unwrap();
    stream.write_all(&body[..sent]).unwrap();
    stream
}

#[test]
fn a_request_in_flight_finishes_while_new_ones_are_refused() {
    let folder = folder();
    let server = start(folder.path());
    assert_eq!(answer(&mut begin(&server, "/photos", b"", 0)).0, 200);
    let mut put = begin(&server, "/photos/a.txt", BODY, 10);
    // An answer on another connection shows that the server has had time to see this one.
    assert_eq!(server.get("/readyz").0, 200);
    server.signal("TERM");
    let started = Instant::now();
    while server.get("/readyz").0 != 503 {
        assert!(started.elapsed() < DEADLINE, "/readyz never said that it is stopping");
        thread::yield_now();
    }
    let s3 = server.s3.trim_start_matches("http://").to_owned();
    while TcpStream::connect(&s3).is_ok() {
        assert!(started.elapsed() < DEADLINE, "new connections are still taken");
        thread::yield_now();
    }
    put.write_all(&BODY[10..]).unwrap();
    let (status, text) = answer(&mut put);
    assert_eq!(status, 200, "{text}");
    let (status, log) = server.ended();
    assert!(status.success() && log.contains("stopped"), "{log}");
    let again = start(folder.path());
    assert_eq!(answer(&mut begin(&again, "/photos", b"", 0)).0, 409, "the bucket is still there");
}

#[test]
fn a_request_that_never_ends_is_cut_off_after_the_grace_time() {
    let folder = folder();
    let server = Server::start(serve(folder.path()).args(["--shutdown-grace", "200ms"]).envs(CREDENTIALS));
    assert_eq!(answer(&mut begin(&server, "/photos", b"", 0)).0, 200);
    let mut put = begin(&server, "/photos/a.txt", BODY, 10);
    server.signal("INT");
    let (status, log) = server.ended();
    assert!(status.success(), "{log}");
    let mut rest = Vec::new();
    let _ = put.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "nothing was acknowledged");
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = folder();
    let server = start(folder.path());
    assert_eq!(answer(&mut begin(&server, "/photos", b"", 0)).0, 200);
    let _put = begin(&server, "/photos/a.txt", BODY, 10);
    assert_eq!(server.get("/readyz").0, 200);
    server.signal("TERM");
    let started = Instant::now();
    while server.get("/readyz").0 != 503 {
        assert!(started.elapsed() < DEADLINE);
        thread::yield_now();
    }
    server.signal("TERM");
    let (status, log) = server.ended();
    assert_eq!(status.code(), Some(1), "{log}");
}
