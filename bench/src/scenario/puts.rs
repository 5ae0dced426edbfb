//! P5a and P5b: what a rule costs those who put objects. One server, two buckets: one that nobody watches, and one with a
//! rule that matches every put. Two buckets and not one rule that comes and goes: what a removed rule was owed becomes
//! dead letters, and that work would fall into the turn of the reference.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    arguments::Settings,
    folder,
    report::{Budget, Detail, Outcome},
    s3::{self, Load},
    server::Server,
    sink::Sink,
    turns::Turns,
};

const CLIENTS: usize = 16;
const BODY_BYTES: usize = 4096;
const PUTS: usize = 15_000;
const UNWATCHED: &str = "unwatched";
const WATCHED: &str = "watched";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const DRAIN_TIME_MAX: Duration = Duration::from_secs(60);

/// One turn of either.
struct Turn {
    puts_a_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Of the server, without client and receiver: says more than the throughput on a machine that does other things.
    cpu_micros_a_put: f64,
    /// From the answer to the last put until nothing was owed.
    empty_after: Duration,
}

/// A server with both buckets, and how many keys were put.
struct Shop {
    server: Server,
    sink: Sink,
    puts: u64,
    next: AtomicU64,
    _folder: TempDir,
}

/// Measures P5a: the rule is paused, so its deliveries are made and wait.
///
/// # Errors
///
/// When the server does not start, or a put fails.
pub async fn paused(settings: &Settings) -> anyhow::Result<Outcome> {
    let shop = Shop::open(settings, true).await?;
    let turns = shop.turns(settings, || shop.put(WATCHED)).await?;
    let posts = shop.sink.count().await?.posts;
    ensure!(posts == 0, "{posts} POSTs came from a paused rule");
    let owed = shop.server.owed().await?;
    let (main, p99) = (turns.compare(|turn| turn.puts_a_second)?, turns.compare(|turn| turn.p99_ms)?);
    let budgets = vec![
        Budget { text: "at least 0.85 of the throughput without a rule", met: main.ratio.median() >= 0.85 },
        Budget { text: "p99 at most 1.2 times that without a rule", met: p99.ratio.median() <= 1.2 },
    ];
    let title = format!("PUT of 4 KiB, {CLIENTS} clients, one paused rule ({owed} owed at the end) against none");
    let details = vec![
        Detail::both("p50, ms", turns.compare(|turn| turn.p50_ms)?),
        Detail::both("p99, ms", p99),
        Detail::both("processor of the server, µs/PUT", turns.compare(|turn| turn.cpu_micros_a_put)?),
    ];
    Ok(Outcome { id: "p5a", title, unit: "PUT/s", main, budgets, details })
}

/// Measures P5b: the rule delivers to a receiver on the same cores while the puts go on.
///
/// # Errors
///
/// When the server does not start, a put fails, or an event arrives twice or not at all.
pub async fn live(settings: &Settings) -> anyhow::Result<Outcome> {
    let shop = Shop::open(settings, false).await?;
    let turns = shop.turns(settings, || shop.put_and_drain()).await?;
    let (main, p99) = (turns.compare(|turn| turn.puts_a_second)?, turns.compare(|turn| turn.p99_ms)?);
    let empty_after = turns.ours(|turn| turn.empty_after.as_secs_f64())?;
    let budgets = vec![
        Budget { text: "at least 0.7 of the throughput without a rule", met: main.ratio.median() >= 0.7 },
        Budget { text: "queue empty 1 s after the last put", met: empty_after.median() <= 1.0 },
    ];
    let title = format!("PUT of 4 KiB, {CLIENTS} clients, one rule delivering on the same cores, against none");
    let details = vec![
        Detail::ours("queue empty after the last put, s", empty_after),
        Detail::both("p50, ms", turns.compare(|turn| turn.p50_ms)?),
        Detail::both("p99, ms", p99),
        Detail::both("processor of the server, µs/PUT", turns.compare(|turn| turn.cpu_micros_a_put)?),
    ];
    Ok(Outcome { id: "p5b", title, unit: "PUT/s", main, budgets, details })
}

impl Shop {
    async fn open(settings: &Settings, paused: bool) -> anyhow::Result<Self> {
        let folder = folder::temporary(&settings.scratch)?;
        let sink = Sink::start().await?;
        let server = Server::start(&settings.server, folder.path()).await?;
        for bucket in [UNWATCHED, WATCHED] {
            s3::create_bucket(&server.s3, bucket).await?;
        }
        let rule = json!({"url": sink.url(), "events": ["s3:ObjectCreated:*"], "secret": SECRET, "paused": paused});
        server.put_rules(WATCHED, &json!([rule])).await?;
        let puts = settings.scaled(PUTS) as u64;
        Ok(Self { server, sink, puts, next: AtomicU64::new(0), _folder: folder })
    }

    /// Takes turns, after one of each that does not count.
    async fn turns(
        &self,
        settings: &Settings,
        ours: impl AsyncFn() -> anyhow::Result<Turn>,
    ) -> anyhow::Result<Turns<Turn>> {
        self.put(UNWATCHED).await?;
        ours().await?;
        Turns::run(settings.runs, |turn| turn.puts_a_second, || self.put(UNWATCHED), ours).await
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
    async fn put(&self, bucket: &str) -> anyhow::Result<Turn> {
        let first = self.next.fetch_add(self.puts, Ordering::Relaxed);
        let load =
            Load { host: &self.server.s3, bucket, clients: CLIENTS, puts: self.puts, first, body_bytes: BODY_BYTES };
        let used = self.server.cpu_used();
        let mut puts = s3::put(load).await?;
        let used = self.server.cpu_used() - used;
        Ok(Turn {
            puts_a_second: self.puts as f64 / puts.took.as_secs_f64(),
            p50_ms: puts.latencies.percentile_ms(50),
            p99_ms: puts.latencies.percentile_ms(99),
            cpu_micros_a_put: used.as_secs_f64() * 1e6 / self.puts as f64,
            empty_after: Duration::ZERO,
        })
    }

    async fn put_and_drain(&self) -> anyhow::Result<Turn> {
        let before = self.sink.count().await?.posts;
        let turn = self.put(WATCHED).await?;
        let last = Instant::now();
        let drained = async {
            self.sink.wait_for(before + self.puts).await?;
            self.server.drained().await
        };
        tokio::time::timeout(DRAIN_TIME_MAX, drained).await.context("the queue does not get empty")??;
        let empty_after = last.elapsed();
        let posts = self.sink.count().await?.posts - before;
        ensure!(posts == self.puts, "{posts} POSTs for {} puts to a healthy endpoint", self.puts);
        Ok(Turn { empty_after, ..turn })
    }
}
