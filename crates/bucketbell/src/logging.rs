//! Log lines on standard error.

use std::io::IsTerminal;

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;

use crate::cli::{LogArgs, LogFormat};

/// s3s logs every refused request at ERROR, a missing key included, and signatures at DEBUG: the gateway logs for it. What
/// a person asks for comes after these, and wins.
const QUIET: &str = "s3s=off,hyper=warn,hyper_util=warn,h2=warn,rustls=warn";

const LEVEL_CHARS_SHOWN: usize = 64;

/// Sends log lines to standard error, at `level` where neither flag nor environment says otherwise.
///
/// # Errors
///
/// The level is not understood.
pub fn start(args: &LogArgs, level: &str) -> anyhow::Result<()> {
    let set = |text: String| Some(text).filter(|text| !text.is_empty());
    let asked = args.log_level.clone().and_then(set).or_else(|| std::env::var("RUST_LOG").ok().and_then(set));
    let directives = format!("{QUIET},{}", asked.as_deref().unwrap_or(level));
    // The parser's own words say the same thing twice, and not about which text.
    let filter = EnvFilter::builder().parse(directives).map_err(|_| {
        let asked: String = asked.as_deref().unwrap_or_default().chars().take(LEVEL_CHARS_SHOWN).collect();
        anyhow!(
            "the log level `{asked}` is not understood: give error, warn, info, debug, trace, or directives such as \
             `info,bucketbell_delivery=debug`"
        )
    })?;
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match args.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
