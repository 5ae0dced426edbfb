//! The command line. What it says is what `--help` teaches; a golden file holds it.

mod quickstart;
mod receive;
mod serve;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::{
    quickstart::QuickstartArgs,
    receive::{Output, ReceiveArgs},
    serve::ServeArgs,
};

/// An S3-compatible store whose changes arrive as signed webhooks, none lost.
///
/// A change to an object and the event that tells of it commit together, and every event reaches every webhook that
/// asked for it: signed, retried, observable, and never in the way of a write.
#[derive(Debug, Parser)]
#[command(name = "bucketbell", version, max_term_width = 110, after_long_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub log: LogArgs,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  bucketbell quickstart                      see one signed webhook arrive
  bucketbell serve --config bucketbell.yaml  run the server
  bucketbell receive --secret S --exec CMD   run a command for every event

Exit codes:
  0  done, or stopped by a signal after finishing what was in flight
  1  failed: the message says what and what to do; also a second signal
  2  wrong usage or configuration: nothing was started";

// What the first three do is told by their arguments' own documentation: a line here would hide the rest of it.
#[derive(Debug, Subcommand)]
pub enum Command {
    Serve(Box<ServeArgs>),
    Receive(ReceiveArgs),
    Quickstart(QuickstartArgs),
    /// Works with the configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints the version
    Version,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Reads the configuration as `serve` would, and says what is wrong with it, without starting anything
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Box<ServeArgs>),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  bucketbell config check --config bucketbell.yaml
  HOOK_SECRET=any bucketbell config check --config bucketbell.yaml
  bucketbell config check --s3-tls-cert chain.pem --s3-tls-key key.pem

It exits with 0 when nothing is wrong, with 2 when something is.";

/// Logs go to standard error. `NO_COLOR` turns colours off.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// How log lines are written
    #[arg(long, global = true, env = "BUCKETBELL_LOG_FORMAT", value_enum, default_value_t, help_heading = "Logging")]
    pub log_format: LogFormat,
    /// Level (error, warn, info, debug, trace) or directives such as `info,bucketbell_delivery=debug`; else RUST_LOG,
    /// else info
    #[arg(long, global = true, env = "BUCKETBELL_LOG_LEVEL", value_name = "LEVEL", help_heading = "Logging")]
    pub log_level: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}
