//! Starts: the first one, later ones, and what they print and keep.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
};

use crate::{
    program::{Server, answer, folder, serve},
    shutdown::{CREDENTIALS, begin},
};

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
    let endpoint_secret = "endpoint-secret-0123456789";
    let master_key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let file = folder.path().join("c.yaml");
    let url = format!("http://{}/x?credential=in-the-query", nobody_listens());
    fs::write(&file, format!("notifications: {{endpoints: [{{url: '{url}', events: ['*'], secret: '${{HOOK}}'}}]}}"))
        .unwrap();
    let mut command = serve(&folder.path().join("data"));
    command.args(["--log-format", "json", "--log-level", "debug", "--config"]).arg(&file);
    command.envs(CREDENTIALS).env("HOOK", endpoint_secret).env("BUCKETBELL_MASTER_KEY", master_key);
    let server = Server::start(&mut command);
    assert_eq!(answer(&mut begin(&server, "/photos", b"", 0)).0, 200);
    let (status, put) = answer(&mut begin(&server, "/photos/a.txt", b"hello", 5));
    assert_eq!(status, 200, "{put}");
    let log = server.stop();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let ready = lines.iter().find(|line| line["message"].as_str().unwrap_or_default().contains("ready: S3 on"));
    assert_eq!(ready.expect(&log)["level"], "INFO");
    let header = |name: &str| {
        let value = put.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("{name}: {put}")).trim()
    };
    let request = header("x-amz-request-id");
    let line = lines.iter().find(|line| line["request.id"] == request && line["operation"] == "PutObject").expect(&log);
    assert_eq!(line["event.ids"], header("x-bucketbell-event-id"), "{line}");
    let [token, access_key, secret_key] = CREDENTIALS.map(|(_, value)| value);
    for secret in [token, secret_key, endpoint_secret, master_key, "in-the-query"] {
        assert!(!log.contains(secret), "SG-2: the log shows {secret}");
    }
    // What a signed request carries is none of the log's business either.
    for shown in [format!("Credential={access_key}"), "Signature=".to_owned()] {
        assert!(!log.contains(&shown), "SG-2: the log shows {shown}");
    }
}

/// Returns an address that was free a moment ago.
fn nobody_listens() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn endpoints_of_the_file_become_rules_and_leave_with_it() {
    let folder = folder();
    let file = folder.path().join("c.yaml");
    let host = nobody_listens();
    fs::write(&file, format!("notifications: {{endpoints: [{{url: 'http://{host}/x', events: ['*']}}]}}")).unwrap();
    let with = Server::start(serve(&folder.path().join("d")).arg("--config").arg(&file));
    assert!(with.get("/metrics").1.contains(&host));
    let log = with.stop();
    assert!(log.contains("1 server-wide endpoint;"), "{log}");
    let without = Server::start(&mut serve(&folder.path().join("d")));
    assert!(!without.get("/metrics").1.contains(&host));
}
