//! `bucketbell receive` as its user meets it. What it believes and remembers is tested where that is made.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Stdio},
};

use crate::program::{answer, bucketbell, folder, run};

/// The seed's minimal body (A5).
const BODY: &str =
    r#"{"Records":[{"eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"photos"},"object":{"key":"a.jpg"}}}]}"#;

struct Receiving {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Receiving {
    fn start(folder: &std::path::Path, arguments: &[&str]) -> Self {
        let mut command = bucketbell();
        command.args(["receive", "--listen", "127.0.0.1:0", "--state"]).arg(folder.join("seen.db")).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut receiving = Self { child, out, address: String::new() };
        let ready = receiving.line();
        let url = ready.strip_prefix("ready http://").expect(&ready).split(' ').next().unwrap();
        receiving.address = url.split('/').next().unwrap().to_owned();
        assert!(url.ends_with("/webhooks/bucketbell"), "{ready}");
        receiving
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn post(&self, path: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, BODY.len());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{BODY}"
        )
        .unwrap();
        answer(&mut stream).0
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_a_credential_it_does_not_start_and_says_which_flag_to_give() {
    for secret in [&[][..], &["--secret", ""]] {
        let said = run(bucketbell().arg("receive").args(secret));
        assert_eq!(said.code, Some(2), "A1");
        assert!(said.stderr.contains("--secret") && said.stderr.contains("--insecure-unsigned"), "{}", said.stderr);
    }
}

#[test]
fn one_line_tells_of_each_event_and_of_its_repeat() {
    let folder = folder();
    let mut receiving = Receiving::start(folder.path(), &["--insecure-unsigned"]);
    for outcome in ["handled", "repeat"] {
        assert_eq!(receiving.post("/webhooks/minio"), 200);
        let line = receiving.line();
        assert!(line.contains(&format!(" {outcome} unverified s3:ObjectCreated:Put photos/a.jpg ")), "A4: {line}");
    }
    assert_eq!(receiving.post("/webhooks/klingon"), 404);
}

#[test]
fn lines_can_be_json() {
    let folder = folder();
    let mut receiving = Receiving::start(folder.path(), &["--insecure-unsigned", "--output", "json"]);
    assert_eq!(receiving.post("/webhooks/minio"), 200);
    let line: serde_json::Value = serde_json::from_str(&receiving.line()).unwrap();
    assert_eq!(
        (&line["outcome"], &line["bucket"], &line["verified"]),
        (&"handled".into(), &"photos".into(), &false.into())
    );
}

#[test]
fn a_failing_command_is_told_and_the_sender_hears_5xx() {
    let folder = folder();
    let mut receiving = Receiving::start(folder.path(), &["--insecure-unsigned", "--exec", "exit 3"]);
    assert_eq!(receiving.post("/webhooks/minio") / 100, 5, "A6");
    assert!(receiving.line().contains(" failed "));
}

#[test]
fn with_a_secret_an_unsigned_event_is_refused() {
    let folder = folder();
    let receiving = Receiving::start(folder.path(), &["--secret", "hunter2-hunter2"]);
    assert_eq!(receiving.post("/webhooks/minio"), 401, "A7");
}
