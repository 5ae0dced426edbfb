//! What the quickstart tells a person.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bucketbell_access::PlainCredentials;
use tokio::time::Instant;

use super::{
    demo::{BUCKET, KEY, Put},
    inbox::{Arrived, Inbox},
};
use crate::{output::say, server::Server};

/// The voice of the quickstart, on standard output.
#[derive(Debug)]
pub struct Guide {
    data_dir: PathBuf,
    /// How this program was called, so that the commands it prints can be typed.
    program: String,
}

impl Guide {
    pub fn new(data_dir: PathBuf) -> Self {
        Self { data_dir, program: std::env::args().next().unwrap_or_else(|| "bucketbell".to_owned()) }
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub fn parts(&self, server: &Server, inbox: &Inbox) {
        say(format_args!("bucketbell {}: one object in, one signed webhook out\n", env!("CARGO_PKG_VERSION")));
        say(format_args!("server     S3   {}", server.s3_url));
        say(format_args!("           API  {}   (/readyz, /metrics, /api/v1)", server.api_url));
        say(format_args!("           data {}", self.data_dir.display()));
        say(format_args!("receiver   {}\n", inbox.url()));
    }

    pub fn put(&self, put: &Put, took: Duration) {
        let event = put.event.as_ref().map_or_else(String::new, |event| format!(", raising event {event}"));
        say(format_args!("put        s3://{BUCKET}/{}, {} bytes, in {}{event}", put.key, put.bytes, millis(took)));
    }

    /// Tells of one event, with the time since `put` when it is that one's.
    pub fn arrived(&self, arrived: &Arrived, put: Option<Instant>) {
        let Arrived { line, at, repeat, .. } = arrived;
        let after =
            put.map_or_else(String::new, |put| format!(", {} after the put was sent", millis(at.duration_since(put))));
        let repeat = if *repeat { ", a repeat" } else { "" };
        say(format_args!("received   {line}\n           signature verified{after}{repeat}"));
    }

    pub fn next_steps(&self, server: &Server, credentials: &PlainCredentials, once: bool) {
        let (s3, api, program) = (&server.s3_url, &server.api_url, &self.program);
        let rules = format!("{api}/api/v1/buckets/{BUCKET}/notifications");
        say(format_args!("\nThe admin's credentials:"));
        say(format_args!("  token       {}", credentials.token.expose()));
        say(format_args!("  access key  {}", credentials.access_key));
        say(format_args!("  secret key  {}", credentials.secret_key.expose()));
        say(format_args!("\nTry it, in another terminal:"));
        if server.credentials.is_there() {
            say(format_args!("  set -a; . {}; set +a", server.credentials.path()));
        } else {
            say(format_args!("  export BUCKETBELL_ADMIN_TOKEN=…   # those above, which no file holds"));
            say(format_args!("  export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…"));
        }
        say(format_args!("  export AWS_DEFAULT_REGION={}", server.s3_region));
        say(format_args!("  echo hello | aws --endpoint-url {s3} s3 cp - s3://{BUCKET}/{KEY}"));
        say(format_args!("  aws --endpoint-url {s3} s3 rm s3://{BUCKET}/{KEY}"));
        say(format_args!("  curl -H \"Authorization: Bearer $BUCKETBELL_ADMIN_TOKEN\" {rules}"));
        say(format_args!("\nReceive events with a program of your own: start a receiver, and add a rule for it:"));
        say(format_args!("  BUCKETBELL_RECEIVE_SECRET=choose-one {program} receive --exec 'cat'"));
        say(format_args!("  aws --endpoint-url {s3} s3 mb s3://photos"));
        say(format_args!(
            "  curl -X PUT -H \"Authorization: Bearer $BUCKETBELL_ADMIN_TOKEN\" \\\n    {api}/api/v1/buckets/photos/notifications \\\n    \
             -d '{{\"rules\":[{{\"url\":\"http://127.0.0.1:5000/webhooks/bucketbell\",\"events\":[\"*\"],\"secret\":\"choose-one\"}}]}}'"
        ));
        if once {
            say(format_args!("\nThat was all of it, once: without --once the server goes on."));
        } else {
            say(format_args!("\nEvents of the bucket {BUCKET} are shown here as they arrive. Ctrl-C stops.\n"));
        }
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
