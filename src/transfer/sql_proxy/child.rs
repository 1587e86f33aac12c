//! A program that runs as long as this process needs it, in a process group of its own, so that Ctrl-C
//! on a terminal does not reach it. Its lines go to the log.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::config::on_one_line;

/// Lines that are kept for an error.
const KEPT: usize = 5;

/// A longer line is logged in parts.
const LONGEST_LINE: u64 = 8 << 10;

/// What the lines are logged under.
const TARGET: &str = "sql_proxy";

#[derive(Default)]
struct State {
    ended: Option<ExitStatus>,
    lines: VecDeque<String>,
    /// Whether more lines may come.
    writes: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `is_done`, at most so long.
    fn wait(&self, most: Duration, is_done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let until = Instant::now() + most;
        let mut state = self.lock();
        while !is_done(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

pub struct Child {
    pid: u32,
    shared: Arc<Shared>,
}

impl Child {
    /// Starts the command.
    pub fn start(mut command: Command) -> io::Result<Self> {
        // One pipe for both outputs, so that the lines come in the order in which they were written.
        let (output, input) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
        command.process_group(0);
        ends_with_this_process(&mut command);
        let shared = Arc::new(Shared::default());
        let (started, pid) = mpsc::channel();
        let kept = shared.clone();
        // The kernel kills the child when the thread that started it ends, so the thread that starts it
        // is the one that waits for it.
        std::thread::Builder::new().name("sql-proxy".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started.send(Err(error))),
            };
            // It holds the pipe's other end, which only the program shall have.
            drop(command);
            kept.lock().writes = true;
            read(output, &kept);
            let _ = started.send(Ok(child.id()));
            let ended = child.wait();
            // What it started itself.
            signal(child.id(), Signal::KILL);
            kept.lock().ended = Some(ended.unwrap_or_default());
            kept.changed.notify_all();
        })?;
        let pid = pid.recv().map_err(io::Error::other)??;
        Ok(Self { pid, shared })
    }

    /// The number of the process, which is that of its group too.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn has_ended(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// How it ended, if it has, and the last lines that it wrote. Waits for a process that is just
    /// ending, at most so long.
    pub fn last_lines(&self, most: Duration) -> (Option<ExitStatus>, Vec<String>) {
        let state = self.shared.wait(most, |state| state.ended.is_some() && !state.writes);
        (state.ended, state.lines.iter().cloned().collect())
    }

    /// Sends SIGTERM, and SIGKILL if it does not end in this time. Returns whether it did.
    pub fn stop(&self, within: Duration) -> bool {
        signal(self.pid, Signal::TERM);
        let has_ended = |state: &State| state.ended.is_some();
        let ended = has_ended(&self.shared.wait(within, has_ended));
        if !ended {
            signal(self.pid, Signal::KILL);
            drop(self.shared.wait(within, has_ended));
        }
        ended
    }
}

/// Sends a signal to all processes of a group. A group that has ended gets none.
fn signal(group: u32, signal: Signal) {
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// Reads what it writes on a thread of its own, line by line.
fn read(output: PipeReader, shared: &Arc<Shared>) {
    let shared = shared.clone();
    let read_all = move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            match output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            let text = on_one_line(String::from_utf8_lossy(&line).trim());
            if text.is_empty() {
                continue;
            }
            tracing::info!(target: TARGET, "sql proxy: {text}");
            let mut state = shared.lock();
            if state.lines.len() == KEPT {
                state.lines.pop_front();
            }
            state.lines.push_back(text);
        }
        shared.lock().writes = false;
        shared.changed.notify_all();
    };
    // Without the thread, the pipe is closed, and the program ends when it writes.
    let _ = std::thread::Builder::new().name("sql-proxy-log".to_owned()).spawn(read_all);
}

/// The kernel kills the child when this process has ended, even by SIGKILL.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the only way to say it between fork and exec")]
fn ends_with_this_process(command: &mut Command) {
    use rustix::process::{getpid, getppid, set_parent_process_death_signal};
    let parent = getpid();
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before.
        match getppid() == Some(parent) {
            true => Ok(()),
            false => Err(io::ErrorKind::NotConnected.into()),
        }
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(bind) };
}

#[cfg(not(target_os = "linux"))]
fn ends_with_this_process(_: &mut Command) {}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Child {
        let mut command = Command::new("bash");
        command.args(["-c", script]);
        Child::start(command).expect("bash starts")
    }

    #[test]
    fn the_last_lines_and_the_end_are_known() {
        let child =
            shell("for n in 1 2 3 4 5 6; do echo line $n; done; printf 'last\\033[2J' >&2; exit 7");
        let (ended, lines) = child.last_lines(LONG);
        assert_eq!(ended.and_then(|status| status.code()), Some(7));
        assert_eq!(lines, ["line 3", "line 4", "line 5", "line 6", "last\\u{1b}[2J"]);
    }

    #[test]
    fn it_is_asked_to_end_and_then_killed_with_what_it_started() {
        let willing = shell("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done");
        drop(willing.shared.wait(LONG, |state| !state.lines.is_empty()));
        assert!(willing.stop(LONG));
        let deaf = shell("trap '' TERM; sleep 1000 & echo $!; wait");
        let state = deaf.shared.wait(LONG, |state| !state.lines.is_empty());
        let pid = state.lines[0].clone();
        drop(state);
        assert!(!deaf.stop(Duration::from_millis(100)) && deaf.has_ended());
        let began = Instant::now();
        let runs = || std::fs::read_to_string(format!("/proc/{pid}/stat"));
        // Whoever takes it over may still have to bury it.
        while runs().is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(began.elapsed() < LONG, "{pid} still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        let error = Child::start(Command::new("no-such-program-anywhere")).err();
        assert_eq!(error.map(|error| error.kind()), Some(io::ErrorKind::NotFound));
    }
}
