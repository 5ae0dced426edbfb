//! `bucketbell receive`: the receiver library, a port, and one line for each event.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use bucketbell_ledger::{Clock, SystemClock};
use bucketbell_receiver::{
    Arrival, CONCURRENCY_DEFAULT, Exec, Handlers, IncomingDialect, KEEP_DEFAULT, Memory, Outcome, Receiver,
    ReceiverConfig, TIMEOUT_DEFAULT, serve,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Failure,
    cli::{Output, ReceiveArgs},
    output::say,
    signals::Signals,
};

/// Receives events until a signal, and returns when those in progress are handled.
///
/// # Errors
///
/// It is not safe as it is called (A1), or something that it needs cannot be had.
pub async fn receive(args: ReceiveArgs) -> Result<(), Failure> {
    let (config, handlers) = configured(&args).map_err(Failure::Configuration)?;
    Ok(run(args, config, handlers).await?)
}

fn configured(args: &ReceiveArgs) -> anyhow::Result<(ReceiverConfig, Handlers)> {
    let secrets: Vec<&String> = args.secret.iter().filter(|secret| !secret.is_empty()).collect();
    let mut config = ReceiverConfig::try_new(&secrets, args.insecure_unsigned)?;
    let (output, verified) = (args.output, !args.insecure_unsigned);
    config.observer = Some(Arc::new(move |arrival, outcome| say(line(output, verified, arrival, outcome))));
    let handlers = match args.exec.as_deref().filter(|command| !command.is_empty()) {
        Some(command) => Exec::try_new(command, CONCURRENCY_DEFAULT, TIMEOUT_DEFAULT).context("--exec")?.handlers(),
        None => Handlers::default(),
    };
    Ok((config, handlers))
}

async fn run(args: ReceiveArgs, config: ReceiverConfig, handlers: Handlers) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let memory = tokio::task::spawn_blocking(move || Memory::open(&args.state, KEEP_DEFAULT)).await?;
    let memory = memory.context("choose another file with --state")?;
    let listener = TcpListener::bind(&args.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another address with --listen", args.listen))?;
    let url = format!("http://{}/webhooks", listener.local_addr()?);
    let stop = CancellationToken::new();
    let serving =
        tokio::spawn(serve(listener, Receiver::new(config, memory, handlers), stop.clone().cancelled_owned()));
    if args.insecure_unsigned {
        tracing::warn!("--insecure-unsigned: whoever can reach {url} can make events up");
    }
    let [first, others @ ..] = IncomingDialect::ALL else { return Err(anyhow!("no dialect can be received")) };
    let others: Vec<String> = others.iter().map(|dialect| format!("/webhooks/{dialect}")).collect();
    say(format_args!("ready {url}/{first} (also {})", others.join(", ")));
    let signal = signals.next().await;
    tracing::info!("{signal}: finishing what is in progress; a second signal ends at once");
    stop.cancel();
    tokio::select! {
        served = serving => served.context("the receiver panicked"),
        signal = signals.next() => Err(anyhow!("{signal} again: ended at once")),
    }
}

/// Returns what is printed of one event. With `--insecure-unsigned` nothing is called verified, whatever it carried.
fn line(output: Output, verified: bool, arrival: &Arrival, outcome: &Outcome) -> String {
    let now = SystemClock.now();
    match output {
        Output::Text => {
            let verified = if verified { "verified" } else { "unverified" };
            format!("{now} {} {verified} {arrival}", outcome.as_str())
        }
        Output::Json => json!({
            "time": now.to_string(),
            "outcome": outcome.as_str(),
            "verified": verified,
            "dialect": arrival.dialect.as_str(),
            "id": arrival.event.identity,
            "type": arrival.event.kind,
            "bucket": arrival.event.bucket,
            "key": arrival.event.key,
            "size": arrival.event.size,
            "older": arrival.older_than_seen,
            "event": arrival.event.json,
        })
        .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_rule::{Draft, RuleId};

    use super::*;

    /// Guards against a memory that is shorter than a sender may be told to try (A4).
    #[test]
    fn events_are_remembered_longer_than_any_rule_lets_them_be_sent_again() {
        let max_age = |days: u32| {
            let draft = Draft {
                url: "http://a/".to_owned(),
                events: vec!["*".to_owned()],
                max_age: Some(format!("{days}d")),
                ..Draft::default()
            };
            draft.validate(RuleId::from_bytes([1; 16]), None).map(|rule| rule.target.max_age)
        };
        let longest = (1..1000).map_while(|days| max_age(days).ok()).last().expect("a day is allowed");
        assert!(KEEP_DEFAULT > longest, "{KEEP_DEFAULT:?}, {longest:?}");
    }
}
