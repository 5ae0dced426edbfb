//! `bucketbell serve`: start, say so, wait for a signal, end.

use crate::{
    config::Environment,
    credentials_file::{ACCESS_KEY, SECRET_KEY, TOKEN},
    output::say,
    preflight,
    server::{Server, Telemetry},
    settings::Settings,
    signals::Signals,
};

/// Runs the server until a signal, and returns when everything in flight has finished.
///
/// # Errors
///
/// It did not start, or a port stopped answering.
pub async fn serve(settings: Settings, environment: &Environment<'_>) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    preflight::ledger(&settings)?;
    let telemetry = Telemetry::install()?;
    let mut server = Server::start(settings, environment, &telemetry).await?;
    announce_admin(&server);
    say(format_args!("ready s3={} api={}", server.s3_url, server.api_url));
    tracing::info!(
        s3 = server.s3_url,
        api = server.api_url,
        "ready: S3 on {}, API on {}",
        server.s3_url,
        server.api_url
    );
    let failed = tokio::select! {
        signal = signals.next() => {
            tracing::info!("{signal}: finishing what is in flight; a second signal ends at once");
            None
        }
        error = server.failed() => Some(error),
    };
    stop(server, signals).await;
    failed.map_or(Ok(()), Err)
}

/// Ends the server in order, or at once at the next signal: the ledger is made for that.
pub async fn stop(server: Server, mut signals: Signals) {
    tokio::select! {
        () = server.stop() => tracing::info!("stopped"),
        signal = signals.next() => {
            tracing::warn!("{signal} again: ending at once");
            std::process::exit(1);
        }
    }
}

/// Tells a person the credentials that were made for this data folder: once, when both ports answer, and on standard error,
/// where no script reads them.
fn announce_admin(server: &Server) {
    let file = &server.credentials;
    let told = file.untold().and_then(|untold| {
        let Some(credentials) = untold else { return Ok(()) };
        eprintln!(
            "\nThe admin's credentials, shown this once and kept in {}:\n  {TOKEN}={}\n  {ACCESS_KEY}={}\n  {SECRET_KEY}={}\n",
            file.path(),
            credentials.token.expose(),
            credentials.access_key,
            credentials.secret_key.expose(),
        );
        Ok(file.write(&credentials, true)?)
    });
    if let Err(error) = told {
        tracing::warn!("cannot note in {} that the credentials were shown: {error:#}", file.path());
    }
}
