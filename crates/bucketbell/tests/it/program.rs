//! A running `bucketbell serve`, and what can be done to it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// For anything that must happen: reached only when it does not.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Returns the program with nothing in its environment but what it needs to be found.
pub fn bucketbell() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bucketbell"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// What a command that has ended said.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command that ends by itself.
pub fn run(command: &mut Command) -> Said {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub struct Server {
    child: Child,
    /// Everything on standard error, when the process has ended.
    errors: Option<thread::JoinHandle<String>>,
    pub ready: String,
    pub s3: String,
    pub api: String,
}

/// `serve` on free ports, with its data in `folder`.
pub fn serve(folder: &Path) -> Command {
    let mut command = bucketbell();
    command.arg("serve").arg("--data-dir").arg(folder);
    command.args(["--s3-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]);
    command
}

impl Server {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut stderr = child.stderr.take().expect("piped");
        let errors = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut server =
            Self { child, errors: Some(errors), ready: String::new(), s3: String::new(), api: String::new() };
        let ready = match lines.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(error) => panic!("no ready line: {error}: {}", server.kill()),
        };
        let part = |name: &str| ready.split(' ').find_map(|part| part.strip_prefix(name)).expect(&ready).to_owned();
        (server.s3, server.api, server.ready) = (part("s3="), part("api="), ready.clone());
        server
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for the process to end by itself; returns how, and its log.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < DEADLINE, "it did not end");
            thread::yield_now();
        };
        (status, self.log())
    }

    pub fn stop(self) -> String {
        self.signal("TERM");
        let (status, log) = self.ended();
        assert!(status.success(), "{status}: {log}");
        log
    }

    /// `GET` of a path on the API port, as `(status, whole answer)`.
    pub fn get(&self, path: &str) -> (u16, String) {
        get(self.api.strip_prefix("http://").expect("plain http"), path)
    }

    fn kill(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log()
    }

    fn log(&mut self) -> String {
        self.errors.take().map(|errors| errors.join().unwrap_or_default()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One request over one connection, closed by the server after its answer.
pub fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    answer(&mut stream)
}

pub fn answer(stream: &mut impl Read) -> (u16, String) {
    let mut text = Vec::new();
    // TLS peers that close without saying so end in an error after the whole answer.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    (status, text)
}

pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
