//! The admin's credentials across starts: none is lost, and the file is never wrong.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

use crate::program::{Server, bucketbell, folder, run, serve};

const NAMES: [&str; 3] = ["BUCKETBELL_ADMIN_TOKEN", "BUCKETBELL_ADMIN_ACCESS_KEY", "BUCKETBELL_ADMIN_SECRET_KEY"];

/// Returns the lines of a credentials file as a shell that sources it has them.
fn sourced(file: &Path) -> Vec<(&'static str, String)> {
    let text = fs::read_to_string(file).unwrap();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    NAMES.iter().map(|name| (*name, value(name).trim_matches('\'').to_owned())).collect()
}

/// Guards against the way of the README, which deleted the file and lost the secret with the shell.
#[test]
fn a_restart_in_the_shell_that_sourced_the_file_keeps_the_file() {
    let folder = folder();
    let (data, other) = (folder.path().join("data"), folder.path().join("other"));
    let file = data.join("credentials");
    Server::start(&mut serve(&data)).stop();
    let before = fs::read_to_string(&file).unwrap();
    let shell = sourced(&file);
    let again = Server::start(serve(&data).envs(shell.iter().cloned())).stop();
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert!(again.contains("those of the environment") && !again.contains(&shell[0].1), "{again}");
    // Another folder in the same shell takes them too, and says so.
    let second = Server::start(serve(&other).envs(shell.iter().cloned())).stop();
    assert!(second.contains("those of the environment") && second.contains("no file holds them"), "{second}");
    assert!(!other.join("credentials").try_exists().unwrap());
    // In a new shell nothing has changed.
    let fresh = Server::start(&mut serve(&data)).stop();
    assert!(fresh.contains("credentials are in") && fs::read_to_string(&file).unwrap() == before, "{fresh}");
}

#[test]
fn credentials_that_others_replace_are_kept_aside() {
    let folder = folder();
    let (file, old) = (folder.path().join("credentials"), folder.path().join("credentials.old"));
    Server::start(&mut serve(folder.path())).stop();
    let before = sourced(&file);
    let given = ["given-token", "GIVENKEY", "given-secret"];
    let log = Server::start(serve(folder.path()).envs(NAMES.iter().zip(given))).stop();
    assert!(log.contains("WARN") && log.contains("credentials.old"), "{log}");
    assert!(!file.try_exists().unwrap(), "it would be wrong");
    assert_eq!(sourced(&old), before);
    assert_eq!(fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn one_given_credential_goes_into_the_file_and_not_onto_the_terminal() {
    let folder = folder();
    let file = folder.path().join("credentials");
    Server::start(&mut serve(folder.path())).stop();
    let before = sourced(&file);
    let log = Server::start(serve(folder.path()).env(NAMES[0], "given-token")).stop();
    let after = sourced(&file);
    assert_eq!((after[0].1.as_str(), &after[1..]), ("given-token", &before[1..]));
    assert!(!log.contains("given-token") && sourced(&folder.path().join("credentials.old")) == before, "{log}");
}

/// Guards against credentials that nobody was ever shown: the first start made them and found its port taken.
#[test]
fn credentials_of_a_start_that_failed_are_shown_by_the_first_that_does_not() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let failed = run(bucketbell()
        .args(["serve", "--s3-listen", &address, "--api-listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path()));
    assert_eq!(failed.code, Some(1));
    let token = &sourced(&folder.path().join("credentials"))[0].1;
    assert!(!failed.stderr.contains(token), "{}", failed.stderr);
    let shown = |log: String| log.matches(token).count();
    assert_eq!(shown(Server::start(&mut serve(folder.path())).stop()), 1);
    assert_eq!(shown(Server::start(&mut serve(folder.path())).stop()), 0);
}
