//! The process' metrics, kept from its first moment.

use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

/// Every histogram of a time ends so.
const TIMES: &str = "_seconds";
/// From a receiver on the same machine to the longest timeout that people set.
const TIME_BUCKETS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// The recorder that every counter of the process goes to.
#[derive(Debug, Clone)]
pub struct Telemetry(PrometheusHandle);

impl Telemetry {
    /// Installs the recorder. Once in a process.
    ///
    /// # Errors
    ///
    /// There is one already.
    pub fn install() -> anyhow::Result<Self> {
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix(TIMES.to_owned()), TIME_BUCKETS);
        builder.and_then(PrometheusBuilder::install_recorder).map(Self).context("cannot install the metrics recorder")
    }

    pub(super) fn handle(&self) -> PrometheusHandle {
        self.0.clone()
    }

    /// Folds samples into their histograms until `stop`.
    pub(super) async fn run(self, every: Duration, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            self.0.run_upkeep();
        }
    }
}
