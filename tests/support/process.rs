//! A process under test. Its output goes to a file, and it ends when the tests end.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::signal::{Signal, signal};
use super::until::until;

/// How many bytes of a log are printed when a test fails.
const SHOWN: u64 = 24 * 1024;

/// A child process, killed when dropped. If the test is failing, the end of its log is printed.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    /// The exit status, once the process has ended.
    ended: Option<ExitStatus>,
}

/// What to start.
pub struct Start<'a> {
    pub name: &'a str,
    /// The output is appended to this file, so a restarted process continues it.
    pub log: &'a Path,
    pub program: &'a OsStr,
    pub arguments: Vec<OsString>,
    pub variables: Vec<(OsString, OsString)>,
    pub folder: Option<&'a Path>,
    /// The file that it reads as standard input; without one, standard input is empty.
    pub input: Option<&'a Path>,
}

impl Process {
    pub fn start(start: &Start<'_>) -> Self {
        let log = File::options().create(true).append(true).open(start.log).expect("a log file");
        let input = start.input.map(|file| File::open(file).expect("the input"));
        let mut command = bound_to_us(start.program);
        command
            .args(&start.arguments)
            .envs(start.variables.iter().map(|(name, value)| (name, value)))
            .stdin(input.map_or_else(Stdio::null, Stdio::from))
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        if let Some(folder) = start.folder {
            command.current_dir(folder);
        }
        let child = spawn(command)
            .unwrap_or_else(|error| panic!("start {}: {error}", start.program.display()));
        Self { name: start.name.to_owned(), log: start.log.to_owned(), child, ended: None }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn signal(&self, name: Signal) {
        assert!(signal(name, self.pid()), "signal {name:?} to {}", self.name);
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// The exit status; `None` while the process is running.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the exit status can be read");
        }
        self.ended
    }

    /// Sends SIGTERM and waits; returns the exit status and how long the process took to end.
    pub fn stop(&mut self, patience: Duration) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.ask_to_stop();
        (self.wait(patience), began.elapsed())
    }

    /// Sends SIGTERM if the process is running; does not wait.
    pub fn ask_to_stop(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
    }

    /// Waits until the process has ended; panics at the deadline.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        until(&what, patience, || self.ended())
    }

    /// The peak of its resident memory, in bytes; `None` once it has ended.
    pub fn peak_resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    /// The whole log, including the output of earlier processes with the same log.
    pub fn output(&self) -> String {
        std::fs::read(&self.log)
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            show(&self.name, &self.log);
        }
    }
}

/// Prints the end of a log to stderr.
pub fn show(name: &str, log: &Path) {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(SHOWN)));
        let _ = file.read_to_end(&mut text);
    }
    eprintln!(
        "---- {name}: the end of {} ----\n{}---- end of {name} ----",
        log.display(),
        String::from_utf8_lossy(&text)
    );
}

/// A command whose process is killed when ours ends, however it ends. Without `setpriv`, a part of
/// util-linux, the peers of an aborted run keep running.
fn bound_to_us(program: &OsStr) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let there = *SETPRIV.get_or_init(|| {
        let asked = Command::new("setpriv").arg("--help").output();
        asked.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains("--pdeathsig"))
    });
    if !there {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a command from a thread that lives as long as the tests. Linux kills the child when the
/// *thread* that started it ends, and a test's thread ends before a shared broker should.
fn spawn(command: Command) -> std::io::Result<Child> {
    type Job = (Command, Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (send, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(send)
    });
    let (answer, child) = channel();
    spawner
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .send((command, answer))
        .expect("the spawner lives");
    child.recv().expect("the spawner answers")
}
