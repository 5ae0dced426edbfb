//! `/metrics`: counters and histograms that the process kept, and gauges read from the ledger at the scrape.
//!
//! The gauges are written here and not through the recorder: a recorder never forgets a series, and an endpoint that is
//! gone must not keep its last depth.

use std::fmt::Write;

use axum::{extract::State, response::IntoResponse};
use bucketbell_ledger::QueueDepth;
use http::header;

use crate::{ApiError, ApiState};

const DEPTH: &str = "bucketbell_notification_outbox_depth";
const OLDEST: &str = "bucketbell_notification_oldest_due_seconds";

/// `GET /metrics` in the Prometheus text format. Labels carry rule ids and hosts, never more of a url (Y6).
pub(crate) async fn page(State(state): State<ApiState>) -> Result<impl IntoResponse, ApiError> {
    let depths = state.ledger.queue_depths().await?;
    // Without it histograms keep every sample that was recorded since the last scrape.
    state.metrics.run_upkeep();
    let mut text = state.metrics.render();
    write_gauges(&mut text, &depths);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
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
