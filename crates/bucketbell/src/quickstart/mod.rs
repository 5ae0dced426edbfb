//! `bucketbell quickstart`: the whole way of one event, on real parts, in one process.
//!
//! Everything goes over real sockets: the object by a signed S3 request, the rule by the REST API, the webhook by HTTP
//! to the receiver. Nothing here reaches into the server.

mod client;
mod demo;
mod guide;
mod inbox;
mod sigv4;

use std::{io, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use bucketbell_access::{Bootstrapped, PlainCredentials};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout_at},
};

use self::{demo::Demo, guide::Guide, inbox::Inbox};
use crate::{
    Failure,
    cli::{QuickstartArgs, ServeArgs},
    config::Environment,
    output::say,
    preflight, serve,
    server::{Server, Telemetry},
    settings::{API_LISTEN_DEFAULT, S3_LISTEN_DEFAULT, Settings},
    signals::Signals,
};

/// For the webhook to arrive. It takes milliseconds.
const ARRIVAL_TIME_MAX: Duration = Duration::from_secs(10);

/// Shows one event from the put to the verified webhook, and then every other one until a signal, or ends with `once`.
///
/// # Errors
///
/// A part did not start, or the webhook did not arrive.
pub async fn quickstart(args: QuickstartArgs, environment: &Environment<'_>) -> Result<(), Failure> {
    let (once, data_dir) = (args.once, args.data_dir.clone());
    let settings = Settings::resolve(serve_args(args).await?, environment).map_err(Failure::Configuration)?;
    preflight::check(&settings, environment).map_err(Failure::Configuration)?;
    Ok(run(settings, data_dir, once, environment).await?)
}

async fn run(settings: Settings, data_dir: PathBuf, once: bool, environment: &Environment<'_>) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    preflight::ledger(&settings)?;
    let telemetry = Telemetry::install()?;
    let server = Server::start(settings, environment, &telemetry).await?;
    let shown = tokio::select! {
        shown = show(&server, Guide::new(data_dir), once) => shown,
        signal = signals.next() => {
            say(format_args!("\n{signal}: stopping"));
            Ok(())
        }
    };
    serve::stop(server, signals).await;
    shown
}

async fn show(server: &Server, guide: Guide, once: bool) -> anyhow::Result<()> {
    let credentials = credentials(server)?;
    let mut inbox = Inbox::open(guide.data_dir()).await?;
    guide.parts(server, &inbox);
    let demo = Demo::new(server, &credentials);
    demo.prepare(&inbox).await?;
    let started = Instant::now();
    let put = demo.put().await?;
    guide.put(&put, started.elapsed());
    let deadline = started + ARRIVAL_TIME_MAX;
    loop {
        let arrived = timeout_at(deadline, inbox.next()).await.ok().flatten();
        let Some(arrived) = arrived else {
            bail!(
                "the webhook did not arrive within {} s: run again with --log-level info",
                ARRIVAL_TIME_MAX.as_secs()
            );
        };
        guide.arrived(&arrived, Some(started));
        // What an earlier run still owed may come first.
        if put.event.as_ref().is_none_or(|event| *event == arrived.id) {
            break;
        }
    }
    guide.next_steps(server, &credentials, once);
    if server.credentials.untold()?.is_some() {
        server.credentials.write(&credentials, true)?;
    }
    if once {
        return Ok(());
    }
    while let Some(arrived) = inbox.next().await {
        guide.arrived(&arrived, None);
    }
    bail!("the receiver ended")
}

/// Returns the flags of the server, on the default ports where they are free, else on any.
async fn serve_args(args: QuickstartArgs) -> anyhow::Result<ServeArgs> {
    let s3_listen = address("--s3-listen", args.s3_listen, S3_LISTEN_DEFAULT).await?;
    let api_listen = address("--api-listen", args.api_listen, API_LISTEN_DEFAULT).await?;
    Ok(ServeArgs {
        data_dir: Some(args.data_dir),
        s3_listen: Some(s3_listen),
        api_listen: Some(api_listen),
        ..ServeArgs::default()
    })
}

async fn address(flag: &str, given: Option<String>, default: &str) -> anyhow::Result<String> {
    if let Some(given) = given {
        return Ok(given);
    }
    match TcpListener::bind(default).await {
        Ok(_) => Ok(default.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            say(format_args!("{default} is taken: using a free port instead (choose one with {flag})"));
            Ok("127.0.0.1:0".to_owned())
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {default}: choose another with {flag}")),
    }
}

/// Returns the admin's credentials: of this start, or those that an earlier one wrote down.
fn credentials(server: &Server) -> anyhow::Result<PlainCredentials> {
    match &server.admin {
        Bootstrapped::Made(credentials) | Bootstrapped::Given(credentials) => Ok(credentials.clone()),
        Bootstrapped::Kept => server.credentials.read()?.with_context(|| {
            let path = server.credentials.path();
            format!(
                "the admin's credentials are not in {path}: set BUCKETBELL_ADMIN_TOKEN, _ACCESS_KEY and _SECRET_KEY"
            )
        }),
    }
}
