//! The server: every part made, wired and started in order, and ended in the reverse order.
//!
//! Start: data folder, master key, ledger (which locks), admin, server rules, blobs, listeners bound, delivery, upkeep,
//! and then the ports are served. End: `/readyz` says so, requests finish, what is being delivered finishes or is
//! returned, and the ledger closes last.

mod admin;
mod parts;
mod telemetry;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use bucketbell_access::{Accounts, Bootstrapped};
use bucketbell_api::{ApiState, Readiness};
use bucketbell_delivery::Engine;
use bucketbell_gateway::Gateway;
use bucketbell_ledger::{Clock, Ledger, SystemClock};
use bucketbell_upkeep::{Pruner, Schedule, Sweeper};
use hyper_util::service::TowerToHyperService;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::parts::Stored;
pub use self::telemetry::Telemetry;
use crate::{config::Environment, listener::Listener, settings::Settings};

/// First rounds of upkeep come soon after the start: what a crash left behind should not wait for the interval.
const UPKEEP_FIRST: Duration = Duration::from_secs(5);
/// Without it histograms keep every sample until the next scrape, which may never come.
const METRICS_EVERY: Duration = Duration::from_secs(5);
/// The API port ends last, when everything else has had its time; its requests are short.
const API_GRACE: Duration = Duration::from_secs(5);

/// A server that answers on both ports.
pub struct Server {
    pub s3_url: String,
    pub api_url: String,
    /// What clients sign for.
    pub s3_region: String,
    /// Where the admin's credentials came from.
    pub admin: Bootstrapped,
    /// Where they are written down, when they are.
    pub credentials: crate::credentials_file::CredentialsFile,
    readiness: Arc<Readiness>,
    ledger: Arc<dyn Ledger>,
    gateway: Gateway,
    engine: Engine,
    grace: Duration,
    /// Ends the S3 port, the API port and the jobs, each by itself.
    stop_s3: CancellationToken,
    stop_api: CancellationToken,
    stop_jobs: CancellationToken,
    s3: JoinSet<()>,
    api: JoinSet<()>,
    jobs: JoinSet<()>,
}

impl Server {
    /// Starts everything. When it returns both ports answer.
    ///
    /// # Errors
    ///
    /// The first thing that does not start, by name and with the remedy. What was started before is ended again.
    pub async fn start(
        settings: Settings,
        environment: &Environment<'_>,
        telemetry: &Telemetry,
    ) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let stored = Stored::open(&settings, environment, Arc::clone(&clock)).await?;
        // From here on the ledger is open, and is closed in order whatever fails.
        let ledger = Arc::clone(&stored.ledger);
        match Self::start_on(settings, stored, environment, telemetry, clock).await {
            Ok(server) => Ok(server),
            Err(error) => {
                ledger.close().await;
                Err(error)
            }
        }
    }

    async fn start_on(
        settings: Settings,
        stored: Stored,
        environment: &Environment<'_>,
        telemetry: &Telemetry,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let Stored { dir, ledger, blobs } = stored;
        let (admin, credentials) = admin::bootstrap(&dir, ledger.as_ref(), environment).await?;
        parts::put_server_rules(ledger.as_ref(), settings.server_rules).await?;
        let s3_listener = Listener::bind(&settings.s3).await?;
        let api_listener = Listener::bind(&settings.api).await?;
        let (s3_url, api_url) = (settings.s3.url(s3_listener.bound()), settings.api.url(api_listener.bound()));

        let accounts = Arc::new(Accounts::new(Arc::clone(&ledger)));
        let s3_region = settings.gateway.region.clone();
        let gateway = parts::gateway(settings.gateway, &ledger, &blobs, &accounts)?;
        let readiness = Arc::new(Readiness::default());
        let api_service = TowerToHyperService::new(bucketbell_api::router(ApiState {
            ledger: Arc::clone(&ledger),
            accounts,
            readiness: Arc::clone(&readiness),
            metrics: telemetry.handle(),
            rules_per_bucket_max: settings.rules_per_bucket_max,
            random: parts::random,
        }));
        let engine = parts::delivery(&settings.delivery, &ledger, clock).await?;

        let stops = [CancellationToken::new(), CancellationToken::new(), CancellationToken::new()];
        let [stop_s3, stop_api, stop_jobs] = stops;
        let (mut s3, mut api) = (JoinSet::new(), JoinSet::new());
        s3.spawn(s3_listener.serve(gateway.service(), stop_s3.clone(), settings.shutdown_grace));
        api.spawn(api_listener.serve(api_service, stop_api.clone(), API_GRACE.min(settings.shutdown_grace)));
        let upkeep = &settings.upkeep;
        let sweeper = Sweeper {
            ledger: Arc::clone(&ledger),
            blobs,
            unreferenced_for: parts::UNREFERENCED_FOR,
            blobs_max: parts::SWEPT_MAX,
        };
        let pruner = Pruner { ledger: Arc::clone(&ledger), limits: parts::prune_limits(upkeep) };
        let mut jobs = JoinSet::new();
        let schedule = |every: Duration| Schedule { first_after: UPKEEP_FIRST.min(every), every };
        jobs.spawn(sweeper.run(schedule(upkeep.sweep_every.0), stop_jobs.clone()));
        jobs.spawn(pruner.run(schedule(upkeep.prune_every.0), stop_jobs.clone()));
        jobs.spawn(telemetry.clone().run(METRICS_EVERY, stop_jobs.clone()));
        readiness.ready();
        Ok(Self {
            s3_url,
            api_url,
            s3_region,
            admin,
            credentials,
            readiness,
            ledger,
            gateway,
            engine,
            grace: settings.shutdown_grace,
            stop_s3,
            stop_api,
            stop_jobs,
            s3,
            api,
            jobs,
        })
    }

    /// Returns when a port stopped answering although nobody asked it to.
    pub async fn failed(&mut self) -> anyhow::Error {
        let (port, ended) = tokio::select! {
            ended = self.s3.join_next() => ("S3", ended),
            ended = self.api.join_next() => ("API", ended),
        };
        let ended = ended.map_or(Ok(()), |ended| ended).context("it panicked");
        ended.err().unwrap_or_else(|| anyhow::anyhow!("it ended")).context(format!("the {port} port stopped answering"))
    }

    /// Ends everything in order. Requests and deliveries in flight have the grace time of the settings, side by side.
    pub async fn stop(mut self) {
        // Health and metrics stay until the end, so that whoever watches sees it.
        self.readiness.stopping();
        self.stop_s3.cancel();
        let requests = async {
            while self.s3.join_next().await.is_some() {}
            self.gateway.drained().await;
        };
        // What a request in flight still commits is owed, and sent after the next start.
        tokio::join!(requests, self.engine.shutdown(self.grace));
        self.stop_jobs.cancel();
        while self.jobs.join_next().await.is_some() {}
        self.stop_api.cancel();
        while self.api.join_next().await.is_some() {}
        self.ledger.close().await;
    }
}
