//! What a process cost: CPU and memory from the operating system.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::support::process::Process;

/// USER_HZ is 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// Between two looks; memory has its own high-water mark, so few are enough.
const PAUSE: Duration = Duration::from_millis(10);

/// What a round measures, in the round's own order, which is the same in every run.
pub fn shuffled<T: Clone>(all: &[T], round: usize) -> Vec<T> {
    let mut all = all.to_vec();
    all.shuffle(&mut StdRng::seed_from_u64(round as u64));
    all
}

#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system time, whole process.
    pub cpu_seconds: f64,
    pub peak_resident: u64,
}

/// Waits for the end of a process that has to end well.
pub fn to_the_end(process: &mut Process, patience: Duration) -> Cost {
    let began = Instant::now();
    let mut peak_resident = 0;
    let cpu_seconds = loop {
        // What has ended and was not asked for its status yet still has its times.
        if let Some((state, seconds)) = times(process.pid())
            && state == "Z"
        {
            break seconds;
        }
        peak_resident = process.peak_resident().unwrap_or(peak_resident);
        assert!(began.elapsed() < patience, "{} goes on and on", process.name());
        std::thread::sleep(PAUSE);
    };
    let status = process.wait(patience);
    assert!(status.success(), "{}: {status}\n{}", process.name(), process.output());
    Cost { cpu_seconds, peak_resident }
}

/// CPU seconds of a running process.
pub fn cpu_seconds(pid: u32) -> f64 {
    times(pid).expect("it is running").1
}

/// Bytes resident now.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it is running");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("kB");
    kib * 1024
}

/// State, and user and system time in seconds.
fn times(pid: u32) -> Option<(String, f64)> {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    Some((fields[0].to_owned(), ticks as f64 / TICKS))
}
