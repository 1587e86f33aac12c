//! Signals to processes. They are sent by a system call: the sandbox of `nix build` has no `kill`.

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// Sends a signal; false if no process has this id.
pub fn signal(signal: Signal, pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("the id of a process");
    kill_process(pid, signal).is_ok()
}
