//! P1: how fast a backlog leaves for one healthy receiver, one event per POST.
//!
//! The backlog is committed under a paused rule, the ledger closed and opened again, the rule let go. The time runs from
//! the start of delivery until nothing is owed: sent, answered, settled with its history, and durable.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::{
    arguments::Settings,
    cpu, folder,
    house::House,
    reference,
    report::{Budget, Detail, Outcome},
    sink::Sink,
    turns::Turns,
};

const DELIVERIES: usize = 100_000;
/// The default of a rule, and so of the reference.
const CONCURRENCY: usize = 16;
/// Between two looks at what is owed, once everything has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// One turn of either.
struct Turn {
    posts_a_second: f64,
    cpu_micros_a_post: f64,
    body_bytes: f64,
    /// From the last POST until nothing was owed.
    settled_after: Duration,
}

/// Measures P1.
///
/// # Errors
///
/// When a turn fails, or an event arrives twice or not at all.
pub async fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let count = settings.scaled(DELIVERIES);
    let sink = Sink::start().await?;
    let turns = Turns::run(
        settings.runs,
        |turn: &Turn| turn.posts_a_second,
        || bare(&sink, count),
        || drained(settings, &sink, count),
    )
    .await?;
    let main = turns.compare(|turn| turn.posts_a_second)?;
    let met = main.ratio.median() >= 0.5;
    Ok(Outcome {
        id: "p1",
        title: format!("Drain {count} deliveries to one endpoint, {CONCURRENCY} at a time, against R-http"),
        unit: "POST/s",
        main,
        budgets: vec![Budget { text: "at least 0.5 of R-http", met }],
        details: vec![
            Detail::both("body, bytes", turns.compare(|turn| turn.body_bytes)?),
            Detail::ours("settled after the last POST, ms", turns.ours(|turn| turn.settled_after.as_secs_f64() * 1e3)?),
            Detail::both("processor of the sender, µs/POST", turns.compare(|turn| turn.cpu_micros_a_post)?),
        ],
    })
}

async fn bare(sink: &Sink, count: usize) -> anyhow::Result<Turn> {
    let before = sink.count().await?;
    let used = cpu::used();
    let took = reference::http::post(&sink.url(), count as u64, CONCURRENCY).await?;
    let used = cpu::used() - used;
    let after = sink.count().await?;
    Ok(turn(count, took, used, after.body_bytes - before.body_bytes))
}

async fn drained(settings: &Settings, sink: &Sink, count: usize) -> anyhow::Result<Turn> {
    let folder = folder::temporary(&settings.scratch)?;
    let house = House::open(folder.path()).await?;
    house.furnish().await?;
    house.put_rule(&sink.url(), true).await?;
    house.commit_many(count).await?;
    house.close(None).await;

    let house = House::open(folder.path()).await?;
    house.put_rule(&sink.url(), false).await?;
    ensure!(house.owed().await? == count as u64, "not all of the backlog is owed");
    let before = sink.count().await?;
    let (began, used) = (Instant::now(), cpu::used());
    let engine = house.deliver().await?;
    sink.wait_for(before.posts + count as u64).await?;
    let arrived = Instant::now();
    while house.owed().await? > 0 {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let (took, used, settled_after) = (began.elapsed(), cpu::used() - used, arrived.elapsed());
    house.close(Some(engine)).await;
    let after = sink.count().await?;
    let posts = after.posts - before.posts;
    ensure!(posts == count as u64, "{posts} POSTs for {count} deliveries to a healthy endpoint");
    Ok(Turn { settled_after, ..turn(count, took, used, after.body_bytes - before.body_bytes) })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
fn turn(count: usize, took: Duration, used: Duration, body_bytes: u64) -> Turn {
    Turn {
        posts_a_second: count as f64 / took.as_secs_f64(),
        cpu_micros_a_post: used.as_secs_f64() * 1e6 / count as f64,
        body_bytes: body_bytes as f64 / count as f64,
        settled_after: Duration::ZERO,
    }
}
