//! `--exec`: a command for each event.

use std::{path::Path, time::Duration};

use bucketbell_receiver::{CONCURRENCY_DEFAULT, Exec, Receiver, TIMEOUT_DEFAULT};
use serde_json::Value;

use crate::fixture::{Home, counts, deliver, put, signed};

fn receiver(home: &Home, command: &str, concurrency: usize, timeout: Duration) -> Receiver {
    let exec = Exec::try_new(command, concurrency, timeout).expect("the command is one");
    Receiver::new(signed(), home.memory(), exec.handlers())
}

pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// Returns a command that starts another process, writes that one's number into `pid_file`, and waits for it.
pub(crate) fn endless(pid_file: &Path) -> String {
    // The sleep is a child of the shell, and outlives it unless the group is killed. The file appears with its content.
    format!("sleep 300 & echo $! > {0}.new; mv {0}.new {0}; wait", quoted(pid_file))
}

/// Waits until the process whose number is in `pid_file` is gone.
pub(crate) async fn is_killed(pid_file: &Path) {
    let pid = std::fs::read_to_string(pid_file).expect("the command had started").trim().to_owned();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    // A killed orphan is gone, or a zombie until its new parent looks.
    while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(std::time::Instant::now() < deadline, "process {pid} lives on");
        tokio::task::yield_now().await;
    }
}

/// Waits until there is a file.
pub(crate) async fn appears(path: &Path) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !path.try_exists().expect("the folder can be read") {
        assert!(std::time::Instant::now() < deadline, "{} never appeared", path.display());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_command_reads_the_event_as_one_line_of_json() {
    let home = Home::new();
    let out = home.file().with_extension("out");
    let command = format!(
        "cat >> {0}; printf '%s|%s|%s' \"$BUCKETBELL_BUCKET\" \"$BUCKETBELL_KEY\" \"$BUCKETBELL_OLDER\" >> {0}",
        quoted(&out)
    );
    let receiver = receiver(&home, &command, CONCURRENCY_DEFAULT, TIMEOUT_DEFAULT);
    let event = put("a b/'ü\n$(touch x).jpg", 1);
    assert_eq!(counts(&deliver(&receiver, &event).await), [1, 0, 0, 0]);
    let written = std::fs::read_to_string(&out).unwrap();
    let (line, fields) = written.split_once('\n').expect("one line, and then the fields");
    let json: Value = serde_json::from_str(line).unwrap();
    assert_eq!(json["id"], event.id.to_string());
    assert_eq!(json["data"]["key"], "a b/'ü\n$(touch x).jpg");
    assert_eq!(fields, "photos|a b/'ü\n$(touch x).jpg|false");
}

#[tokio::test]
async fn only_exit_code_0_is_a_success_and_a_failure_comes_again() {
    let home = Home::new();
    let flag = home.file().with_extension("flag");
    let receiver = receiver(&home, &format!("test -e {}", quoted(&flag)), CONCURRENCY_DEFAULT, TIMEOUT_DEFAULT);
    let event = put("a", 1);
    assert_eq!(deliver(&receiver, &event).await.status, 500, "A6");
    std::fs::write(&flag, "").unwrap();
    assert_eq!(counts(&deliver(&receiver, &event).await), [1, 0, 0, 0]);
}

#[tokio::test]
async fn a_command_that_reads_nothing_of_a_long_event_succeeds() {
    let home = Home::new();
    let receiver = receiver(&home, "true", CONCURRENCY_DEFAULT, TIMEOUT_DEFAULT);
    let mut event = put("a", 1);
    if let bucketbell_event::Fact::Object(object) = &mut event.fact {
        object.metadata.insert("long".into(), "x".repeat(500_000));
    }
    assert_eq!(deliver(&receiver, &event).await.status, 200);
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_all_it_started() {
    let home = Home::new();
    let pid_file = home.file().with_extension("pid");
    let receiver = receiver(&home, &endless(&pid_file), CONCURRENCY_DEFAULT, Duration::from_secs(1));
    assert_eq!(deliver(&receiver, &put("a", 1)).await.status, 500);
    is_killed(&pid_file).await;
}

/// Guards against orphans: a command whose outcome nobody will know would run beside the repeat of its event.
#[tokio::test]
async fn a_command_that_nobody_waits_for_any_more_is_killed_with_all_it_started() {
    let home = Home::new();
    let pid_file = home.file().with_extension("pid");
    let exec = Exec::try_new(&endless(&pid_file), CONCURRENCY_DEFAULT, TIMEOUT_DEFAULT).unwrap();
    let log = crate::fixture::Log::default();
    assert_eq!(deliver(&home.receiver(log.handlers()), &put("a", 1)).await.status, 200);
    let arrival = log.arrivals().remove(0);
    tokio::select! {
        ended = exec.run(&arrival) => panic!("it runs for minutes: {ended:?}"),
        () = appears(&pid_file) => {}
    }
    is_killed(&pid_file).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_commands_run_at_once_than_allowed() {
    let home = Home::new();
    let dir = home.file().with_extension("slots");
    std::fs::create_dir(&dir).unwrap();
    // Each of the two slots is a folder that only one can make; with both taken a third command fails.
    let command = format!(
        "cd {} && d=0; mkdir 1 2>/dev/null && d=1 || {{ mkdir 2 && d=2; }} && for i in 1 2 3; do :; done && rmdir $d",
        quoted(&dir)
    );
    let receiver = receiver(&home, &command, 2, TIMEOUT_DEFAULT);
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..40 {
        let receiver = receiver.clone();
        senders.spawn(async move { deliver(&receiver, &put(&format!("key-{number}"), 1 + number)).await.status });
    }
    while let Some(status) = senders.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}

#[tokio::test]
async fn an_event_that_gets_no_slot_in_time_is_asked_to_come_again() {
    let home = Home::new();
    let gate = home.file().with_extension("gate");
    let started = home.file().with_extension("started");
    let command = format!("touch {}; while ! test -e {}; do sleep 0.01; done", quoted(&started), quoted(&gate));
    let receiver = receiver(&home, &command, 1, Duration::from_secs(2));
    let first = tokio::spawn({
        let receiver = receiver.clone();
        async move { deliver(&receiver, &put("a", 1)).await.status }
    });
    appears(&started).await;
    let second = tokio::spawn({
        let receiver = receiver.clone();
        async move { deliver(&receiver, &put("b", 2)).await.status }
    });
    assert_eq!(first.await.unwrap(), 500, "killed: nobody opened the gate");
    // It got the slot that the first left, or gave up in the same moment.
    std::fs::write(&gate, "").unwrap();
    assert!([200, 503].contains(&second.await.unwrap()));
}

#[test]
fn commands_and_limits_that_make_no_sense_are_refused() {
    for (command, concurrency, timeout) in [
        ("", 1, TIMEOUT_DEFAULT),
        ("  ", 1, TIMEOUT_DEFAULT),
        ("a\0b", 1, TIMEOUT_DEFAULT),
        ("true", 0, TIMEOUT_DEFAULT),
        ("true", 1, Duration::ZERO),
    ] {
        assert!(Exec::try_new(command, concurrency, timeout).is_err(), "{command:?}");
    }
}
