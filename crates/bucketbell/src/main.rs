//! The program: the command line, the configuration file, and wiring. Everything else is a crate of its own.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

mod cli;
mod config;
mod config_check;
mod credentials_file;
mod data_dir;
mod descriptors;
mod listener;
mod logging;
mod master_key;
mod output;
mod peers;
mod preflight;
mod quickstart;
mod receive;
mod serve;
mod server;
mod settings;
mod signals;
mod tls;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use tokio::runtime::Runtime;

use crate::{
    cli::{Cli, Command, ConfigCommand, ServeArgs},
    config::Environment,
    settings::Settings,
};

/// What went wrong, by what the caller can do about it.
pub enum Failure {
    /// Flags, environment or file: nothing was started.
    Configuration(anyhow::Error),
    Run(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Run(error)
    }
}

/// Deliveries and puts allocate and free on different threads, which glibc's allocator is slow at: 10 to 15 % of the
/// processor time of a put with a live delivery (bench p5b).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (code, error) = match run(cli) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Run(error)) => (1, error),
        Err(Failure::Configuration(error)) => (2, error),
    };
    eprintln!("bucketbell: {error:#}");
    ExitCode::from(code)
}

fn run(cli: Cli) -> Result<(), Failure> {
    // What a person watches should not be buried in what a server writes down.
    let level = if matches!(cli.command, Command::Quickstart(_)) { "warn" } else { "info" };
    logging::start(&cli.log, level).map_err(Failure::Configuration)?;
    // One provider for everything: rustls refuses to guess.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err(anyhow::anyhow!("a TLS provider was installed twice").into());
    }
    let lookup = |name: &str| std::env::var(name).ok();
    let environment = Environment(&lookup);
    match cli.command {
        Command::Serve(args) => {
            let settings = resolve(*args, &environment)?;
            preflight::check(&settings, &environment).map_err(Failure::Configuration)?;
            descriptors::raise();
            Ok(runtime()?.block_on(serve::serve(settings, &environment))?)
        }
        Command::Receive(args) => runtime()?.block_on(receive::receive(args)),
        Command::Quickstart(args) => runtime()?.block_on(quickstart::quickstart(args, &environment)),
        Command::Config(ConfigCommand::Check(args)) => {
            let file = args.config.clone();
            let settings = resolve(*args, &environment)?;
            preflight::check(&settings, &environment).map_err(Failure::Configuration)?;
            config_check::report(file.as_deref(), &settings);
            Ok(())
        }
        Command::Version => {
            println!("bucketbell {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}

fn resolve(args: ServeArgs, environment: &Environment<'_>) -> Result<Settings, Failure> {
    Settings::resolve(args, environment).map_err(Failure::Configuration)
}

fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("cannot start the runtime")
}
