//! The reference loops by themselves: what this machine gives.

use crate::{arguments::Settings, figure::figure, folder, reference, series::Series, sink::Sink};

const POSTS: usize = 100_000;
/// Groups of R-sqlite, and how many mutations measure each.
const GROUPS: [(u64, usize); 3] = [(1, 10_000), (16, 50_000), (256, 100_000)];

/// Measures R-http and R-sqlite and prints them.
///
/// # Errors
///
/// When a loop fails.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let sink = Sink::start().await?;
    let posts = settings.scaled(POSTS) as u64;
    for concurrency in [16, 64] {
        let mut rates = Vec::new();
        for _ in 0..settings.runs {
            rates.push(per_second(posts, reference::http::post(&sink.url(), posts, concurrency).await?.as_secs_f64()));
        }
        print(&format!("R-http, {concurrency} at a time, POST/s"), rates);
    }
    for (group, mutations) in GROUPS {
        let mut rates = Vec::new();
        for _ in 0..settings.runs {
            let folder = folder::temporary(&settings.scratch)?;
            let (path, mutations) = (folder.path().to_owned(), settings.scaled(mutations) as u64);
            rates.push(tokio::task::spawn_blocking(move || reference::sqlite::rate(&path, group, mutations)).await??);
        }
        print(&format!("R-sqlite, groups of {group}, mutations/s"), rates);
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are small")]
pub fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

fn print(name: &str, rates: Vec<f64>) {
    if let Some(rates) = Series::new(rates) {
        println!(
            "  {name}: min {}, median {}, max {}",
            figure(rates.min()),
            figure(rates.median()),
            figure(rates.max())
        );
    }
}
