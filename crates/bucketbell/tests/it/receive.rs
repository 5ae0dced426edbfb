//! `bucketbell receive` as its user meets it. What it believes and remembers is tested where that is made.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Instant,
};

use crate::program::{DEADLINE, answer, bucketbell, folder, run};

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
        answer(&mut self.begin(path)).0
    }

    /// Posts the body and returns the connection, its answer unread.
    fn begin(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (host, length) = (&self.address, BODY.len());
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{BODY}"
        )
        .unwrap();
        stream
    }

    /// Waits for the process to end by itself, and returns its exit code.
    fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE, "never: {what}");
        thread::yield_now();
    }
}

/// Returns a command that says that it has begun, waits for the file `gate`, and says that it is done.
fn gated(folder: &Path) -> String {
    format!("cd '{}' && touch begun && while ! test -e gate; do sleep 0.01; done; touch done", folder.display())
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

/// Guards against a receiver that called itself finished while a command still ran: the sender had hung up (`curl -m 2`).
#[test]
fn a_signal_waits_for_the_command_of_a_sender_that_hung_up() {
    let folder = folder();
    let is_there = |name| folder.path().join(name).try_exists().unwrap();
    let mut receiving = Receiving::start(folder.path(), &["--insecure-unsigned", "--exec", &gated(folder.path())]);
    let sender = receiving.begin("/webhooks/minio");
    until("the command begins", || is_there("begun"));
    drop(sender);
    let terminate = Command::new("kill").args(["-TERM", &receiving.child.id().to_string()]).status();
    assert!(terminate.unwrap().success());
    until("the port is closed", || TcpStream::connect(&receiving.address).is_err());
    fs::write(folder.path().join("gate"), "").unwrap();
    assert_eq!(receiving.ended(), Some(0));
    assert!(is_there("done"), "the command has ended before the receiver");
    let mut again = Receiving::start(folder.path(), &["--insecure-unsigned", "--exec", "exit 3"]);
    assert_eq!(again.post("/webhooks/minio"), 200, "A4: its result is remembered");
    assert!(again.line().contains(" repeat "));
}

#[test]
fn a_second_signal_ends_at_once_and_leaves_no_command_behind() {
    let folder = folder();
    let is_there = |name| folder.path().join(name).try_exists().unwrap();
    let command =
        format!("echo $$ > '{0}/pid.new'; mv '{0}/pid.new' '{0}/pid'; sleep 300 & wait", folder.path().display());
    let mut receiving = Receiving::start(folder.path(), &["--insecure-unsigned", "--exec", &command]);
    let _sender = receiving.begin("/webhooks/minio");
    until("the command begins", || is_there("pid"));
    let receiver = receiving.child.id().to_string();
    let terminate = || assert!(Command::new("kill").args(["-TERM", &receiver]).status().unwrap().success());
    terminate();
    until("the port is closed", || TcpStream::connect(&receiving.address).is_err());
    terminate();
    assert_eq!(receiving.ended(), Some(1));
    let group = fs::read_to_string(folder.path().join("pid")).unwrap().trim().to_owned();
    until("the command's processes are gone", || group_is_gone(&group));
}

/// Returns whether no process of a group lives; a killed one may wait, as a zombie, for its new parent to look.
fn group_is_gone(group: &str) -> bool {
    let stats =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    // After the name in parentheses: state, parent, group.
    let mut lives = stats.filter(|stat| {
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        fields.first() != Some(&"Z") && fields.get(2) == Some(&group)
    });
    lives.next().is_none()
}
