//! A process under test: its output in a file, signals, and an end when the tests end.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::until::until;

/// So much of a log is shown when a test fails.
const SHOWN: u64 = 24 * 1024;

/// Killed when dropped; if the test is failing, the end of its output is printed first.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    /// Answered once the process has ended.
    ended: Option<ExitStatus>,
}

/// What to start.
pub struct Start<'a> {
    pub name: &'a str,
    /// Output is appended here, so that a process started again goes on in the same file.
    pub log: &'a Path,
    pub program: &'a OsStr,
    pub arguments: Vec<OsString>,
    pub variables: Vec<(OsString, OsString)>,
    pub folder: Option<&'a Path>,
    /// The file it reads as its standard input; nothing where there is none.
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

    /// Sends a signal by its name (`TERM`, `STOP`, `CONT`).
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "signal {name} to {}", self.name);
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// The status of a process that has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the process can be asked");
        }
        self.ended
    }

    /// SIGTERM; answers with the status and how long the end took.
    pub fn stop(&mut self, patience: Duration) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.ask_to_stop();
        (self.wait(patience), began.elapsed())
    }

    /// SIGTERM, if it runs; waits for nothing.
    pub fn ask_to_stop(&mut self) {
        if self.ended().is_none() {
            self.signal("TERM");
        }
    }

    /// Waits for the end.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        until(&what, patience, || self.ended())
    }

    /// The most resident memory it ever had, in bytes; `None` once it has ended.
    pub fn peak_resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    }

    /// Everything it has printed.
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

/// A command whose process ends with ours, however we end. `setpriv` is part of util-linux; where
/// it is missing, an aborted run leaves its peers behind.
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

/// Starts it from a thread that lives as long as the tests: Linux sends the death signal when the
/// starting *thread* ends, and a test's thread ends before a shared broker should.
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
