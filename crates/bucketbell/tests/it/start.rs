//! Starts: the first one, later ones, and what they print and keep.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
};

use crate::program::{Server, folder, serve};

#[test]
fn the_ready_line_names_ports_that_answer() {
    let folder = folder();
    let server = Server::start(&mut serve(&folder.path().join("data")));
    assert_eq!(server.ready, format!("ready s3={} api={}", server.s3, server.api));
    assert!(!server.s3.ends_with(":0") && !server.api.ends_with(":0"));
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(server.get("/healthz").0, 200);
    let s3 = crate::program::get(server.s3.trim_start_matches("http://"), "/");
    assert!(s3.0 == 403 && s3.1.contains("AccessDenied"), "{}", s3.1);
}

#[test]
fn the_first_start_prints_the_credentials_once_and_keeps_them_for_the_owner_only() {
    let folder = folder();
    let data = folder.path().join("data");
    let first = Server::start(&mut serve(&data)).stop();
    let file = data.join("credentials");
    let kept = fs::read_to_string(&file).unwrap();
    let token = kept.lines().find_map(|line| line.strip_prefix("BUCKETBELL_ADMIN_TOKEN=")).unwrap().trim_matches('\'');
    assert!(token.starts_with("bbt_") && first.matches(token).count() == 1, "{first}");
    for (path, mode) in [(&data, 0o700), (&file, 0o600), (&data.join("master.key"), 0o600)] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    assert!(first.contains("master.key"), "it says to back the key up: {first}");
    let second = Server::start(&mut serve(&data)).stop();
    assert!(!second.contains(token) && !second.contains("master.key"), "{second}");
    assert_eq!(fs::read_to_string(&file).unwrap(), kept);
}

#[test]
fn credentials_in_the_environment_win_and_the_file_tells_no_lies() {
    let folder = folder();
    Server::start(&mut serve(folder.path())).stop();
    let given = [
        ("BUCKETBELL_ADMIN_TOKEN", "given-token"),
        ("BUCKETBELL_ADMIN_ACCESS_KEY", "GIVENKEY"),
        ("BUCKETBELL_ADMIN_SECRET_KEY", "given-secret"),
    ];
    let server = Server::start(serve(folder.path()).envs(given));
    assert!(!folder.path().join("credentials").try_exists().unwrap());
    let log = server.stop();
    assert!(!log.contains("given-token") && !log.contains("given-secret"), "{log}");
}

#[test]
fn a_head_without_end_is_refused_and_the_server_goes_on() {
    let folder = folder();
    let server = Server::start(&mut serve(folder.path()));
    for address in [&server.s3, &server.api] {
        let address = address.trim_start_matches("http://");
        for header in ["x-many: 1\r\n".repeat(200), format!("x-long: {}\r\n", "a".repeat(200_000))] {
            let mut stream = TcpStream::connect(address).unwrap();
            // It may be refused, and closed, before all of it is written.
            let _ = write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\n{header}\r\n");
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        }
    }
    assert_eq!(server.get("/readyz").0, 200);
}

#[test]
fn logs_can_be_json_and_hold_no_secret() {
    let folder = folder();
    let log = Server::start(serve(folder.path()).args(["--log-format", "json"])).stop();
    let ready = log.lines().find(|line| line.contains("ready: S3 on")).expect(&log);
    let line: serde_json::Value = serde_json::from_str(ready).expect(ready);
    assert_eq!(line["level"], "INFO");
}

#[test]
fn endpoints_of_the_file_become_rules_and_leave_with_it() {
    let folder = folder();
    let file = folder.path().join("c.yaml");
    fs::write(&file, "notifications: {endpoints: [{url: 'http://127.0.0.1:9/x', events: ['*']}]}").unwrap();
    let with = Server::start(serve(&folder.path().join("d")).arg("--config").arg(&file));
    assert!(with.get("/metrics").1.contains("http://127.0.0.1:9"));
    let log = with.stop();
    assert!(log.contains("1 server-wide endpoints"), "{log}");
    let without = Server::start(&mut serve(&folder.path().join("d")));
    assert!(!without.get("/metrics").1.contains("http://127.0.0.1:9"));
}
