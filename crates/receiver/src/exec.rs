//! A command for each event: `sh -c`, with the event as one line of JSON on its standard input.

use std::{
    io,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};

use crate::{Arrival, HandlerError, Handlers};

/// Commands at once.
pub const CONCURRENCY_DEFAULT: usize = 4;
/// How long one command may take.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Our own secrets, which are none of the command's business (SG-2).
const SECRET_VARIABLE: &str = "BUCKETBELL_RECEIVE_SECRET";

/// Runs a command for each event.
///
/// The event's fields are also in the environment, for commands that read no JSON: `BUCKETBELL_EVENT_ID`,
/// `BUCKETBELL_EVENT_TYPE`, `BUCKETBELL_DIALECT`, `BUCKETBELL_OLDER` (`true` or `false`), and, where the event has them,
/// `BUCKETBELL_BUCKET`, `BUCKETBELL_KEY`, `BUCKETBELL_VERSION_ID`, `BUCKETBELL_SIZE`, `BUCKETBELL_ETAG` and
/// `BUCKETBELL_TIME`. Its output goes where ours goes.
#[derive(Debug, Clone)]
pub struct Exec {
    command: Arc<str>,
    slots: Arc<Semaphore>,
    timeout: Duration,
}

/// The command cannot be run for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExecError(&'static str);

impl Exec {
    /// Makes a runner of `command` that runs at most `concurrency` of it at once, each for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`ExecError`] when the command is empty or holds a NUL, or a limit is zero.
    pub fn try_new(command: &str, concurrency: usize, timeout: Duration) -> Result<Self, ExecError> {
        if command.trim().is_empty() || command.contains('\0') {
            return Err(ExecError("the command must not be empty or hold a NUL character"));
        }
        if concurrency == 0 || concurrency > Semaphore::MAX_PERMITS || timeout.is_zero() {
            return Err(ExecError("a command needs at least one slot and some time"));
        }
        Ok(Self { command: command.into(), slots: Arc::new(Semaphore::new(concurrency)), timeout })
    }

    /// Returns handlers that run the command for every event.
    #[must_use]
    pub fn handlers(self) -> Handlers {
        Handlers::default().rest(move |arrival| {
            let exec = self.clone();
            async move { exec.run(&arrival).await }
        })
    }

    /// Runs the command for one event. Only the exit code 0 is a success.
    ///
    /// # Errors
    ///
    /// [`HandlerError`] when no slot became free in time, or the command did not start, failed, or took too long and was
    /// killed with all it started. That is also what happens when the future is dropped.
    pub async fn run(&self, arrival: &Arrival) -> Result<(), HandlerError> {
        let waited = timeout(self.timeout, self.slots.acquire()).await;
        let Ok(Ok(_slot)) = waited else {
            return Err(HandlerError::busy("no command ended in time to make room for this event"));
        };
        let mut line = arrival.event.json.to_string();
        line.push('\n');
        let mut running = Running::start(&self.command, arrival)?;
        match timeout(self.timeout, running.finish(line.as_bytes())).await {
            Ok(status) => match status? {
                status if status.success() => Ok(()),
                status => Err(HandlerError::failed(format!("the command failed: {status}"))),
            },
            Err(_) => {
                running.kill().await;
                Err(HandlerError::failed(format!(
                    "the command took longer than {} s and was killed",
                    self.timeout.as_secs()
                )))
            }
        }
    }
}

/// A command at work, in a process group of its own.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn start(command: &str, arrival: &Arrival) -> io::Result<Self> {
        let child = Command::new("sh")
            .arg("-c")
            .arg(command)
            .envs(variables(arrival))
            .env_remove(SECRET_VARIABLE)
            .stdin(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// Gives the command its input, and waits for its end. A command need not read.
    async fn finish(&mut self, input: &[u8]) -> io::Result<ExitStatus> {
        let Self { child, group } = self;
        let stdin = child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                // It closes its end when it has read enough, or ends.
                let _ = stdin.write_all(input).await;
            }
        };
        let wait = async {
            let status = child.wait().await;
            // Ended, so its number may be another's by now.
            *group = None;
            status
        };
        let ((), status) = tokio::join!(write, wait);
        status
    }

    async fn kill(&mut self) {
        self.kill_group();
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "cannot kill the command");
        }
    }

    /// Kills the command while it runs. The shell leads the group: what it started goes with it.
    fn kill_group(&mut self) {
        if let Some(group) = self.group.take()
            && let Err(error) = kill_process_group(group, Signal::KILL)
        {
            tracing::warn!(%error, "cannot kill the command's processes");
        }
    }
}

impl Drop for Running {
    /// A command whose outcome nobody will know must not go on: its event comes again, and would be handled beside it.
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// The event's fields by name. What holds a NUL cannot be in the environment; it is in the JSON.
fn variables(arrival: &Arrival) -> impl Iterator<Item = (&'static str, String)> {
    let event = arrival.event.clone();
    let given = [
        ("BUCKETBELL_EVENT_ID", Some(event.identity)),
        ("BUCKETBELL_EVENT_TYPE", Some(event.kind)),
        ("BUCKETBELL_DIALECT", Some(arrival.dialect.to_string())),
        ("BUCKETBELL_OLDER", Some(arrival.older_than_seen.to_string())),
        ("BUCKETBELL_BUCKET", event.bucket),
        ("BUCKETBELL_KEY", event.key),
        ("BUCKETBELL_VERSION_ID", event.version_id),
        ("BUCKETBELL_SIZE", event.size.map(|size| size.to_string())),
        ("BUCKETBELL_ETAG", event.etag),
        ("BUCKETBELL_TIME", event.time),
    ];
    given.into_iter().filter_map(|(name, value)| value.filter(|value| !value.contains('\0')).map(|value| (name, value)))
}
