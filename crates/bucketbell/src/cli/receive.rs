//! `bucketbell receive`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Receives webhooks, verifies them, drops repeats and runs a command for each event.
///
/// It answers 2xx only when the command succeeded and that is remembered, so the sender tries again after a failure, and
/// an event is handled once however often it is sent, also across restarts. It prints one line for each event.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ReceiveArgs {
    /// Where senders connect; the path is /webhooks/<dialect>, such as /webhooks/bucketbell or /webhooks/minio
    #[arg(long, env = "BUCKETBELL_RECEIVE_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:5000")]
    pub listen: String,
    /// File that remembers which events were handled
    #[arg(long, env = "BUCKETBELL_RECEIVE_STATE", value_name = "FILE", default_value = "bucketbell-receive.db")]
    pub state: PathBuf,
    /// Secret that senders sign with; give it twice while one is being replaced. Better in the environment: arguments
    /// can be read by other users of the machine
    #[arg(long, env = "BUCKETBELL_RECEIVE_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub secret: Vec<String>,
    /// Command to run for each event, by `sh -c`. Its standard input is one line of JSON: the event as it was sent. Its
    /// environment has BUCKETBELL_EVENT_TYPE, BUCKETBELL_BUCKET, BUCKETBELL_KEY and more, the same for every dialect
    #[arg(long, env = "BUCKETBELL_RECEIVE_EXEC", value_name = "COMMAND")]
    pub exec: Option<String>,
    /// Accept events that nobody signed. Anybody who can reach the port can then make events up
    #[arg(long, env = "BUCKETBELL_RECEIVE_INSECURE_UNSIGNED")]
    pub insecure_unsigned: bool,
    /// How events are printed
    #[arg(long, env = "BUCKETBELL_RECEIVE_OUTPUT", value_enum, default_value_t)]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Output {
    /// One line for people
    #[default]
    Text,
    /// One line of JSON
    Json,
}

// Short lines: what a terminal of 80 columns wraps cannot be copied into a shell.
const EXAMPLES: &str = "\
Examples:
  BUCKETBELL_RECEIVE_SECRET=… bucketbell receive
  bucketbell receive --secret \"$NEW\" --secret \"$OLD\"

  Commands, for events of bucketbell, and for those of any sender:
  bucketbell receive --secret \"$S\" --exec 'jq -r .data.key >> keys.txt'
  bucketbell receive --secret \"$S\" --exec 'printenv BUCKETBELL_KEY >> keys.txt'

  MinIO without a signature, on this machine only:
  bucketbell receive --insecure-unsigned

Try the last one:
  curl http://127.0.0.1:5000/webhooks/minio -d '{\"Records\": [{
    \"eventName\": \"s3:ObjectCreated:Put\",
    \"s3\": {\"bucket\": {\"name\": \"b\"}, \"object\": {\"key\": \"k\"}}}]}'";
