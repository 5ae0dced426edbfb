//! `bucketbell quickstart`.

use std::path::PathBuf;

use clap::Args;

/// Starts a server and a receiver, puts one object and shows its signed webhook arrive.
///
/// All in one process: the object goes in through the S3 API, and the webhook that it caused is received and verified.
/// Then it prints the commands to go on with, and runs until Ctrl-C. It keeps a bucket `demo` with one rule of its own in
/// the data folder. Running it again is fine.
#[derive(Debug, Clone, Args)]
pub struct QuickstartArgs {
    /// Folder for everything the server keeps
    #[arg(long, env = "BUCKETBELL_DATA_DIR", value_name = "DIR", default_value = "./bucketbell-data")]
    pub data_dir: PathBuf,
    /// Where S3 clients connect [default: 127.0.0.1:9000, or any free port when that is taken]
    #[arg(long, env = "BUCKETBELL_S3_LISTEN", value_name = "HOST:PORT")]
    pub s3_listen: Option<String>,
    /// Where the API, /healthz, /readyz and /metrics are [default: 127.0.0.1:9001, or any free port]
    #[arg(long, env = "BUCKETBELL_API_LISTEN", value_name = "HOST:PORT")]
    pub api_listen: Option<String>,
    /// Exit once the event has arrived, instead of running on
    #[arg(long)]
    pub once: bool,
}
