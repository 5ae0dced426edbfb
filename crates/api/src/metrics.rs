//! `/metrics`: counters and histograms that the process kept, and gauges read from the ledger at the scrape.
//!
//! The gauges are written here and not through the recorder: a recorder never forgets a series, and an endpoint that is
//! gone must not keep its last depth.

use std::{error::Error, fmt::Write, time::Duration};

use axum::{extract::State, response::IntoResponse};
use bucketbell_ledger::QueueDepth;
use http::header;

use crate::ApiState;

const DEPTH: &str = "bucketbell_notification_outbox_depth";
const OLDEST: &str = "bucketbell_notification_oldest_due_seconds";

/// Time for the ledger to answer. A scraper waits 10 s, and most of the page does not need it.
const LEDGER_TIME_MAX: Duration = Duration::from_secs(2);

/// `GET /metrics` in the Prometheus text format. Labels carry rule ids and hosts, never more of a url (Y6).
///
/// A ledger that does not answer takes its own gauges off the page, and nothing else: what the process counts is wanted
/// most when something is wrong.
pub(crate) async fn page(State(state): State<ApiState>) -> impl IntoResponse {
    let depths = depths(&state).await;
    // Without it histograms keep every sample that was recorded since the last scrape.
    state.metrics.run_upkeep();
    let mut text = state.metrics.render();
    match depths {
        Some(depths) => write_gauges(&mut text, &depths),
        None => text.push_str("# The ledger did not answer: what is owed is not known.\n"),
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

async fn depths(state: &ApiState) -> Option<Vec<QueueDepth>> {
    match tokio::time::timeout(LEDGER_TIME_MAX, state.ledger.queue_depths()).await {
        Ok(Ok(depths)) => Some(depths),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn Error, "metrics without what is owed: the ledger does not answer");
            None
        }
        Err(_) => {
            tracing::warn!("metrics without what is owed: the ledger did not answer within 2 s");
            None
        }
    }
}

fn write_gauges(text: &mut String, depths: &[QueueDepth]) {
    let family = |text: &mut String, name: &str, help: &str, value: &dyn Fn(&QueueDepth) -> f64| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for depth in depths {
            let _ = writeln!(text, "{name}{{{}}} {}", labels(depth), value(depth));
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "a Prometheus sample is a double")]
    family(text, DEPTH, "Deliveries owed: fresh, in flight and waiting for a retry.", &|depth| depth.owed as f64);
    family(text, OLDEST, "How long the longest overdue delivery has been due.", &|depth| {
        depth.oldest_due.as_secs_f64()
    });
}

fn labels(depth: &QueueDepth) -> String {
    format!("endpoint=\"{}\"", depth.rule)
}
