//! The first minute of a newcomer.

use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

use crate::program::{DEADLINE, Said, bucketbell, folder, run};

fn quickstart(folder: &std::path::Path) -> Said {
    let mut command = bucketbell();
    command.args(["quickstart", "--once", "--s3-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--data-dir"]);
    run(command.arg(folder.join("data")))
}

#[test]
fn a_signed_webhook_arrives_and_so_does_the_next_one() {
    let folder = folder();
    let started = Instant::now();
    for _ in 0..2 {
        let said = quickstart(folder.path());
        assert_eq!(said.code, Some(0), "{}\n{}", said.stdout, said.stderr);
        for word in [
            "put        s3://demo/hello.txt",
            "s3:ObjectCreated:Put demo/hello.txt",
            "signature verified",
            "curl",
            "aws ",
        ] {
            assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
        }
    }
    assert!(started.elapsed() < DEADLINE);
    let memory = folder.path().join("data/quickstart-receiver.db");
    assert_eq!(fs::metadata(memory).unwrap().permissions().mode() & 0o777, 0o600);
}
