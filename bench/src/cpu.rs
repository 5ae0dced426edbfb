//! What a process has used of the processors.

use std::time::Duration;

/// Length of a tick in `/proc`: USER_HZ is 100 on every architecture that Linux still builds for.
const TICK: Duration = Duration::from_millis(10);

/// Returns user and system time of this process so far, all threads together. Zero where there is no `/proc`.
pub fn used() -> Duration {
    read("/proc/self/stat")
}

/// Returns the same of another process.
pub fn used_by(process: u32) -> Duration {
    read(&format!("/proc/{process}/stat"))
}

fn read(path: &str) -> Duration {
    let ticks = || -> Option<u32> {
        let stat = std::fs::read_to_string(path).ok()?;
        // proc(5): after the name in brackets, which may hold spaces, utime and stime are fields 14 and 15 of the line.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        Some(fields.next()?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?)
    };
    TICK * ticks().unwrap_or(0)
}
