//! P4: how long a receiver waits for the first byte once a change is committed, when nothing else goes on.

use std::{
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::Context;

use crate::{
    arguments::Settings,
    conditions::Moment,
    folder,
    house::House,
    latency::{Latencies, micros_between},
    reference::first_byte::{Committed, commit_and_post},
    report::{Budget, Detail, Outcome},
    stamping_sink::StampingSink,
    turns::Turns,
};

const COMMITS: usize = 1000;
/// Commits before those that count: connections open, statements prepared.
const WARM_UP: usize = 20;
/// At least this between an answer and the next commit, so that what follows a delivery is over by then.
const PAUSE_MIN: Duration = Duration::from_millis(3);
/// And this many times what an fsync costs here.
const PAUSE_FSYNCS: f64 = 4.0;
const PAUSE_MAX: Duration = Duration::from_millis(20);
const FIRST_BYTE_TIME_MAX: Duration = Duration::from_secs(10);

const P50_MAX_MS: f64 = 2.0;
const P99_MAX_MS: f64 = 10.0;

/// Of one turn, in milliseconds.
struct Turn {
    p50: f64,
    p99: f64,
    max: f64,
    from_call_p50: f64,
    from_call_p99: f64,
}

/// Both times of every commit.
#[derive(Default)]
struct Times {
    from_return: Latencies,
    from_call: Latencies,
}

/// Measures P4.
///
/// # Errors
///
/// When a turn fails, or a first byte does not come.
pub async fn run(settings: &Settings) -> anyhow::Result<Outcome> {
    let count = settings.scaled(COMMITS);
    let fsync = Moment::take(&settings.scratch)?.fsync_p50_ms;
    let pause = Duration::from_secs_f64(fsync * PAUSE_FSYNCS / 1000.0).clamp(PAUSE_MIN, PAUSE_MAX);
    let turns = Turns::run(
        settings.runs,
        |turn: &Turn| turn.p50,
        || bare(settings, count, pause),
        || through_the_house(settings, count, pause),
    )
    .await?;
    let p99 = turns.compare(|turn| turn.p99)?;
    let main = turns.compare(|turn| turn.p50)?;
    let budgets = vec![
        Budget { text: "p50 at most 2 ms", met: main.ours.median() <= P50_MAX_MS },
        Budget { text: "p99 at most 10 ms", met: p99.ours.median() <= P99_MAX_MS },
    ];
    Ok(Outcome {
        id: "p4",
        title: format!("Commit returned to first byte, {count} commits one by one, idle; p50"),
        unit: "ms",
        main,
        budgets,
        details: vec![
            Detail::both("p99", p99),
            Detail::both("longest", turns.compare(|turn| turn.max)?),
            Detail::both("commit called, p50", turns.compare(|turn| turn.from_call_p50)?),
            Detail::both("commit called, p99", turns.compare(|turn| turn.from_call_p99)?),
        ],
    })
}

/// Returns the wait after one commit: never the same twice in a row, so that a polling interval could not hide.
fn wait(pause: Duration, number: usize) -> Duration {
    pause + pause.mul_f64((number * 7 % 10) as f64 / 10.0)
}

async fn bare(settings: &Settings, count: usize, pause: Duration) -> anyhow::Result<Turn> {
    let folder = folder::temporary(&settings.scratch)?;
    let mut sink = StampingSink::start()?;
    let (address, path) = (sink.address(), folder.path().to_owned());
    let (sender, commits) = mpsc::channel::<Committed>();
    let thread = tokio::task::spawn_blocking(move || {
        let wait = |number: u64| wait(pause, usize::try_from(number).unwrap_or_default());
        commit_and_post(&path, address, (WARM_UP + count) as u64, wait, &sender)
    });
    let mut times = Times::default();
    let mut failed = None;
    for number in 0..WARM_UP + count {
        let stamp = match tokio::time::timeout(FIRST_BYTE_TIME_MAX, sink.next()).await {
            Ok(stamp) => stamp?,
            Err(late) => {
                failed = Some(late);
                break;
            }
        };
        let committed = commits.recv().context("the reference told of no commit")?;
        if number >= WARM_UP {
            times.add(committed.begun, committed.durable, stamp);
        }
    }
    // A reference that failed says more than the first byte that did not come.
    thread.await??;
    failed.map_or(Ok(()), Err).context("a first byte of the reference did not come")?;
    Ok(times.turn())
}

async fn through_the_house(settings: &Settings, count: usize, pause: Duration) -> anyhow::Result<Turn> {
    let folder = folder::temporary(&settings.scratch)?;
    let path = folder.path().to_owned();
    // A task, as a request's is: the thread that waits for the runtime would be woken more slowly.
    tokio::spawn(async move { commit_and_wait(&path, count, pause).await }).await?
}

async fn commit_and_wait(folder: &Path, count: usize, pause: Duration) -> anyhow::Result<Turn> {
    let mut sink = StampingSink::start()?;
    let house = House::open(folder).await?;
    house.furnish().await?;
    house.put_rule(&sink.url(), false).await?;
    let engine = house.deliver().await?;
    let mut times = Times::default();
    for number in 0..WARM_UP + count {
        let begun = Instant::now();
        house.commit(number).await?;
        let durable = Instant::now();
        let stamp = tokio::time::timeout(FIRST_BYTE_TIME_MAX, sink.next()).await.context("no first byte came")??;
        if number >= WARM_UP {
            times.add(begun, durable, stamp);
        }
        tokio::time::sleep(wait(pause, number)).await;
    }
    house.close(Some(engine)).await;
    Ok(times.turn())
}

impl Times {
    fn add(&mut self, begun: Instant, durable: Instant, stamp: Instant) {
        self.from_call.push(micros_between(begun, stamp));
        self.from_return.push(micros_between(durable, stamp));
    }

    fn turn(mut self) -> Turn {
        Turn {
            p50: self.from_return.percentile_ms(50),
            p99: self.from_return.percentile_ms(99),
            max: self.from_return.percentile_ms(100),
            from_call_p50: self.from_call.percentile_ms(50),
            from_call_p99: self.from_call.percentile_ms(99),
        }
    }
}
