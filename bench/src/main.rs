//! Budgets as ratios: each scenario and its bare reference loop, in turns, in one run.
//!
//! An absolute figure says more about the machine than about the program. So every scenario runs a loop that does the
//! least that could do the same work, on the same bytes, with the same durability, right before its own: A B A B …, and
//! what counts is the ratio. `reference/` holds those loops; they use nothing of ours, so that a slow part of the house
//! cannot slow its own yardstick down. `scenario/` holds the budgets, one file each.
//!
//! Receivers and the S3 server run in other processes, which end with this one. Every scenario is bounded in count and
//! time, and its folder goes when it does.
//!
//! Not its business: whether what is measured is right. The crates' own tests say that.

mod arguments;
mod client;
mod conditions;
mod cpu;
mod figure;
mod folder;
mod house;
mod latency;
mod markdown;
mod reference;
mod report;
mod s3;
mod scenario;
mod series;
mod server;
mod sink;
mod stamping_sink;
mod turns;

use std::process::ExitCode;

use arguments::{Arguments, Choice};
use clap::Parser;

/// As in the program itself, so that both sides of a scenario allocate alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bucketbell-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.scenarios == [Choice::Sink] {
        return runtime.block_on(sink::serve());
    }
    let settings = arguments.settings()?;
    let (chosen, files) = (arguments.chosen(), arguments.files());
    house::install_as_the_server_does()?;
    let finished = runtime.block_on(async {
        tokio::select! {
            finished = scenario::run_all(&chosen, &settings, &files) => finished,
            // Dropping the scenario ends its processes and removes its folders.
            () = interrupted() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    finished
}

/// Returns when this process is asked to end.
async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}
