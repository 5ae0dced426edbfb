//! Configuration: what is accepted, what is refused, and how a person is told.

use std::{fs, path::PathBuf};

use crate::program::{Said, bucketbell, folder, run};

/// Runs `config check` on a file with this text, in an environment of these variables.
fn check(text: &str, variables: &[(&str, &str)]) -> Said {
    let folder = folder();
    let file = folder.path().join("bucketbell.yaml");
    fs::write(&file, text).unwrap();
    let mut command = bucketbell();
    command.args(["config", "check", "--config"]).arg(&file).envs(variables.iter().copied());
    run(&mut command)
}

/// The first lines of the seed that the endpoints come from, word for word.
const SEED: &str = r#"notifications:
  endpoints:
    - url: "https://hooks.example.com/storage"
      events:
        - "s3:ObjectCreated:*"
        - "s3:ObjectRemoved:*"
      prefix: "uploads/"          # only deliver data events under this prefix
      secret: "${HOOK_SECRET}"
      timeout: 5s
      max_retries: 5
"#;

#[test]
fn endpoints_are_written_as_the_seed_shows() {
    let said = check(SEED, &[("HOOK_SECRET", "hunter2")]);
    assert_eq!(said.code, Some(0), "B8: {}", said.stderr);
    assert!(said.stdout.contains("1 server-wide endpoint\n") && said.stdout.contains("signed"), "{}", said.stdout);
    assert!(!said.stdout.contains("hunter2") && !said.stderr.contains("hunter2"));
}

#[test]
fn an_unset_variable_refuses_the_start_by_name() {
    let said = check(SEED, &[]);
    assert_eq!(said.code, Some(2), "B8");
    assert!(said.stderr.contains("HOOK_SECRET") && said.stderr.contains("endpoints[0]"), "{}", said.stderr);
    let empty = check(SEED, &[("HOOK_SECRET", "")]);
    assert!(empty.code == Some(2) && empty.stderr.contains("unsigned"), "{}", empty.stderr);
}

#[test]
fn the_example_is_accepted_and_shows_every_key() {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../bucketbell.example.yaml");
    let text = fs::read_to_string(example).unwrap();
    let said = check(&text, &[("HOOK_SECRET", "hunter2")]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    // With every commented key put in: none of them is unknown, whatever else may be wrong with it.
    let key = |line: &str| {
        line.trim_start()
            .strip_prefix("# ")
            .is_some_and(|rest| rest.split(' ').next().is_some_and(|word| word.ends_with(':') && word.len() > 1))
    };
    let all: String =
        text.lines().map(|line| if key(line) { line.replacen("# ", "", 1) } else { line.to_owned() } + "\n").collect();
    let said = check(&all, &[("HOOK_SECRET", "hunter2")]);
    assert!(!said.stderr.contains("unknown field") && !said.stderr.contains(".yaml:"), "{}", said.stderr);
    for key in [
        "data_dir",
        "s3_listen",
        "api_listen",
        "database",
        "blobs",
        "master_key_file",
        "s3_region",
        "s3_domain",
        "s3_tls_cert",
        "s3_tls_key",
        "api_tls_cert",
        "api_tls_key",
        "shutdown_grace",
        "rules_per_bucket_max",
        "endpoints",
        "retry_first",
        "retry_max",
        "connect_timeout",
        "ca_file",
        "history",
        "dead_letters",
        "prune_every",
        "sweep_every",
    ] {
        assert!(
            all.lines().any(|line| line.trim_start().starts_with(&format!("{key}:"))),
            "{key} is not in the example"
        );
    }
}

#[test]
fn a_mistake_is_told_by_file_line_and_column() {
    for (text, place, word) in [
        ("notifications:\n  endpoints:\n    - url: http://a/\n      evnts: []\n", ":4:", "evnts"),
        ("server:\n  s3_listen: [1]\n", ":2:", "string"),
        ("server:\n  shutdown_grace: soon\n", ":2:", "soon"),
        ("servr: {}\n", ":1:", "servr"),
        ("a: b: c\n", ":1:", ""),
    ] {
        let said = check(text, &[]);
        assert_eq!(said.code, Some(2), "{text}: {}", said.stderr);
        assert!(
            said.stderr.contains(&format!("bucketbell.yaml{place}")) && said.stderr.contains(word),
            "{text}: {}",
            said.stderr
        );
    }
}

/// Guards against a place told twice, a key not told at all, and a list that offered `id`.
#[test]
fn a_mistake_is_told_with_its_key_and_its_place_once() {
    for (text, wanted) in [
        ("upkeep:\n  sweep_every: soon\n", "bucketbell.yaml:2:16: upkeep.sweep_every: `soon` is not a time"),
        ("server: {data_dir: a, data_dir: b}\n", "bucketbell.yaml:1:23: server: the key `data_dir` is there twice"),
        ("servr: {}\n", "bucketbell.yaml:1:1: unknown field `servr`, expected one of server"),
        ("upkeep: {sweep_every: 1ms}\n", "bucketbell.yaml: upkeep.sweep_every must be"),
        (
            "notifications:\n  endpoints:\n    - url: http://a/\n      evnts: []\n",
            "bucketbell.yaml:4:7: notifications.endpoints[0]: unknown field `evnts`, expected one of name, url",
        ),
        (
            "notifications: {endpoints: [{url: 'ftp://a', events: ['*']}]}",
            "bucketbell.yaml: notifications.endpoints[0]",
        ),
    ] {
        let said = check(text, &[]);
        assert!(said.code == Some(2) && said.stderr.contains(wanted), "{text}: {}", said.stderr);
        assert!(!said.stderr.contains(" at line "), "{}", said.stderr);
    }
    let variable = check("upkeep: {}\n", &[("BUCKETBELL_UPKEEP_SWEEP_EVERY", "1ms")]);
    assert!(variable.code == Some(2) && !variable.stderr.contains("yaml"), "not the file's fault: {}", variable.stderr);
}

#[test]
fn endpoints_that_cannot_be_told_apart_are_refused() {
    let endpoint = "{url: 'http://a/', events: ['*']}";
    let said = check(&format!("notifications: {{endpoints: [{endpoint}, {endpoint}]}}"), &[]);
    assert!(said.code == Some(2) && said.stderr.contains("name"), "B8: {}", said.stderr);
    let bad = check("notifications: {endpoints: [{url: 'http://a/', events: ['s3:Nothing']}]}", &[]);
    assert!(bad.code == Some(2) && bad.stderr.contains("s3:Nothing"), "{}", bad.stderr);
}

#[test]
fn what_is_not_there_yet_says_so() {
    for (flag, url, word) in
        [("--database", "postgres://u:hunter2@h/d", "PostgreSQL"), ("--blobs", "s3://bucket", "remote")]
    {
        let said = run(bucketbell().args(["serve", flag, url]));
        assert_eq!(said.code, Some(2));
        assert!(said.stderr.contains(word) && !said.stderr.contains("hunter2"), "{}", said.stderr);
    }
}

#[test]
fn a_missing_file_is_named() {
    let said = run(bucketbell().args(["serve", "--config", "nowhere.yaml"]));
    assert!(said.code == Some(2) && said.stderr.contains("nowhere.yaml"), "{}", said.stderr);
}
