//! Measures the CPU time and the memory of a process, as the operating system reports them.

use std::path::Path;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::support::process::Process;

/// Clock ticks per second in `/proc`: USER_HZ is 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// How long a process may run. The slowest reader takes half a minute on two cores.
const PATIENCE: Duration = Duration::from_secs(600);

/// The pause between two polls. The kernel records the peak of the memory, so it need not be short.
const PAUSE: Duration = Duration::from_millis(10);

/// Shuffles what a round measures. The order depends only on the round's number, so it is the same
/// whenever the benchmark runs.
pub fn shuffled<T: Clone>(all: &[T], round: usize) -> Vec<T> {
    let mut all = all.to_vec();
    all.shuffle(&mut StdRng::seed_from_u64(round as u64));
    all
}

/// The cost of a process that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system time of all threads.
    pub cpu_seconds: f64,
    /// Bytes.
    pub peak_resident: u64,
}

impl Cost {
    /// CPU seconds per million events, numerically microseconds per event.
    pub fn cpu_a_million(&self, events: u64) -> f64 {
        self.cpu_seconds * 1e6 / events as f64
    }
}

/// Waits until the process has ended, and asserts that it succeeded.
pub fn to_the_end(process: &mut Process) -> Cost {
    let began = Instant::now();
    let mut peak_resident = 0;
    let cpu_seconds = loop {
        // A zombie (state Z: it has ended and its status is not yet read) still has its CPU times.
        if let Some((state, seconds)) = times(process.pid())
            && state == "Z"
        {
            break seconds;
        }
        peak_resident = process.peak_resident().unwrap_or(peak_resident);
        assert!(began.elapsed() < PATIENCE, "{} has not ended in {PATIENCE:?}", process.name());
        std::thread::sleep(PAUSE);
    };
    let status = process.wait(PATIENCE);
    assert!(status.success(), "{}: {status}\n{}", process.name(), process.output());
    Cost { cpu_seconds, peak_resident }
}

/// CPU seconds of a running process.
pub fn cpu_seconds(pid: u32) -> f64 {
    times(pid).expect("the process is running").1
}

/// Bytes of resident memory of a running process.
pub fn resident(pid: u32) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is running");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("kB");
    kib * 1024
}

/// The state, and the CPU seconds (user and system), of a process; `None` if it does not exist.
fn times(pid: u32) -> Option<(String, f64)> {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    Some((fields[0].to_owned(), ticks as f64 / TICKS))
}
