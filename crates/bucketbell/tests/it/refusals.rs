//! Starts that fail: the message names the thing and the remedy.

use std::{fs, net::TcpListener};

use crate::program::{Server, bucketbell, folder, run, serve};

#[test]
fn a_second_server_on_one_data_folder_is_refused() {
    let folder = folder();
    let first = Server::start(&mut serve(folder.path()));
    let said = run(&mut serve(folder.path()));
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("in use") && said.stderr.contains("--data-dir"), "{}", said.stderr);
    assert_eq!(first.get("/readyz").0, 200, "the first one does not notice");
}

#[test]
fn a_taken_port_is_named_with_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--s3-listen", "--api-listen"), ("--api-listen", "--s3-listen")] {
        let folder = folder();
        let said =
            run(bucketbell().args(["serve", flag, &address, other, "127.0.0.1:0", "--data-dir"]).arg(folder.path()));
        assert_eq!(said.code, Some(1));
        let last = said.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(&address) && last.contains(flag), "{}", said.stderr);
    }
}

#[test]
fn a_bad_lost_or_other_master_key_is_refused() {
    let folder = folder();
    let data = folder.path().join("data");
    let with = |key: &str| run(serve(&data).env("BUCKETBELL_MASTER_KEY", key));
    let short = with("short");
    assert!(short.code == Some(2) && short.stderr.contains("BUCKETBELL_MASTER_KEY"), "{}", short.stderr);
    assert!(!data.try_exists().unwrap(), "nothing was started");
    Server::start(&mut serve(&data)).stop();
    let other = with("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert!(other.code == Some(1) && other.stderr.contains("another master key"), "{}", other.stderr);
    let file = data.join("master.key");
    let both = run(serve(&data).env("BUCKETBELL_MASTER_KEY", "x").arg("--master-key-file").arg(&file));
    assert!(both.stderr.contains("give one"), "{}", both.stderr);
    let missing = run(serve(&data).args(["--master-key-file", "/nowhere/key"]));
    assert!(missing.stderr.contains("/nowhere/key"), "{}", missing.stderr);
    fs::remove_file(&file).unwrap();
    let lost = run(&mut serve(&data));
    assert!(lost.code == Some(1) && lost.stderr.contains("restore it"), "X14: {}", lost.stderr);
    assert!(!file.try_exists().unwrap(), "no new key over an old ledger");
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path().to_owned(), file.path().join("below"), "/proc/bucketbell".into()] {
        let said = run(&mut serve(&path));
        assert_eq!(said.code, Some(1));
        assert!(
            said.stderr.contains(&path.display().to_string()) && said.stderr.contains("--data-dir"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn blobs_of_another_ledger_are_refused() {
    let folder = folder();
    let blobs = format!("file://{}", folder.path().join("blobs").display());
    let on = |data: &str| {
        let mut command = serve(&folder.path().join(data));
        command.args(["--blobs", &blobs]);
        command
    };
    Server::start(&mut on("a")).stop();
    let said = run(&mut on("b"));
    assert!(said.code == Some(1) && said.stderr.contains("--blobs"), "{}", said.stderr);
    Server::start(&mut on("a")).stop();
}

#[test]
fn a_refused_admin_credential_is_named_and_not_shown() {
    let folder = folder();
    let said = run(serve(folder.path()).env("BUCKETBELL_ADMIN_TOKEN", "a b c hunter2"));
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("token") && !said.stderr.contains("hunter2"), "{}", said.stderr);
}

#[test]
fn a_file_that_is_no_ledger_is_named_with_the_remedy() {
    let folder = folder();
    fs::write(folder.path().join("ledger.db"), "not a database at all").unwrap();
    let said = run(&mut serve(folder.path()));
    assert_eq!(said.code, Some(1));
    for word in ["ledger.db is not a ledger", "backup", "--database"] {
        assert!(said.stderr.contains(word), "{word}: {}", said.stderr);
    }
}

#[test]
fn a_log_level_that_is_not_understood_is_shown_once() {
    let said = run(bucketbell().args(["serve", "--log-level", "s3=loud"]));
    assert_eq!(said.code, Some(2));
    assert_eq!(
        (said.stderr.matches("s3=loud").count(), said.stderr.matches("error").count()),
        (1, 1),
        "{}",
        said.stderr
    );
}
