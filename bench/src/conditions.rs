//! Under what conditions a figure was taken: without them it says nothing.

use std::{
    fs::File,
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context;
use bucketbell_ledger::{Clock, SystemClock};
use serde::Serialize;

use crate::{folder, latency::Latencies};

const FSYNCS: usize = 200;
/// Enough of a slow disk.
const FSYNCS_TIME_MAX: Duration = Duration::from_secs(2);
const PAGE_BYTES: usize = 4096;

/// The machine and the programs, the same for the whole run.
#[derive(Debug, Serialize)]
pub struct Conditions {
    /// When the run began, UTC.
    pub date: String,
    pub cores: usize,
    pub cpu: String,
    pub memory_gib: u64,
    pub kernel: String,
    /// Kind of the file system that is written to.
    pub file_system: String,
    pub bucketbell: &'static str,
    /// Commit that the working tree stands on, where git tells.
    pub commit: Option<String>,
    pub rustc: &'static str,
    pub sqlite: &'static str,
    pub profile: &'static str,
}

/// What changes while a run goes on: taken before and after every scenario.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Moment {
    /// Append of 4 KiB and fdatasync, on the disk that is written to.
    pub fsync_p50_ms: f64,
    pub fsync_p99_ms: f64,
    /// Mean number of runnable tasks over the last minute.
    pub load: f64,
}

impl Conditions {
    /// Returns what this machine tells of itself. What it does not tell is said to be unknown.
    pub fn read(scratch: &Path) -> Self {
        let date = jiff::Timestamp::from_microsecond(SystemClock.now().as_micros()).unwrap_or_default();
        Self {
            date: date.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            memory_gib: field("/proc/meminfo", "MemTotal").map_or(0, |text| gib(&text)),
            kernel: kernel().unwrap_or_else(unknown),
            file_system: file_system(scratch).unwrap_or_else(unknown),
            bucketbell: env!("CARGO_PKG_VERSION"),
            commit: commit(),
            rustc: env!("BENCH_RUSTC_VERSION"),
            sqlite: rusqlite::version(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }
}

impl Moment {
    /// Measures what an fsync costs now, and reads the load.
    ///
    /// # Errors
    ///
    /// When the disk cannot be written.
    pub fn take(scratch: &Path) -> anyhow::Result<Self> {
        let mut latencies = fsyncs(scratch)?;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            fsync_p50_ms: latencies.percentile_ms(50),
            fsync_p99_ms: latencies.percentile_ms(99),
            load: load.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0),
        })
    }
}

fn fsyncs(scratch: &Path) -> anyhow::Result<Latencies> {
    let folder = folder::temporary(scratch)?;
    let mut file = File::create(folder.path().join("fsync")).context("cannot make a file to measure fsync on")?;
    let mut latencies = Latencies::default();
    let began = Instant::now();
    for _ in 0..FSYNCS {
        let call = Instant::now();
        file.write_all(&[1; PAGE_BYTES])?;
        file.sync_data()?;
        latencies.push_duration(call.elapsed());
        if began.elapsed() > FSYNCS_TIME_MAX {
            break;
        }
    }
    Ok(latencies)
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn trimmed(text: impl AsRef<str>) -> String {
    text.as_ref().trim().to_owned()
}

/// Returns the version of the kernel, without what its builder added to it.
fn kernel() -> Option<String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    release.split('-').next().map(trimmed)
}

/// Returns the first value of a field in a `/proc` file of lines `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(trimmed(value))
}

fn gib(kib: &str) -> u64 {
    kib.split(' ').next().and_then(|count| count.parse::<u64>().ok()).map_or(0, |kib| kib.div_ceil(1024 * 1024))
}

/// Returns the type of the file system that holds a folder: that of the longest mount point above it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(trimmed)
}
