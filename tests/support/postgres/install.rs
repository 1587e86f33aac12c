//! Where PostgreSQL's programs are, which user runs the server, and a data folder to copy.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::super::folder;
use super::{DATABASE, PASSWORD, USER};

/// The user that runs the server if the tests run as root, which PostgreSQL refuses. Debian's package
/// creates it.
const SERVER_USER: &str = "postgres";

/// The path of one of PostgreSQL's programs.
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let debian =
            (15..=18).map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
        let asked = || {
            let answer = Command::new("pg_config").arg("--bindir").output().ok()?;
            Some(PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()))
        };
        debian
            .into_iter()
            .chain(asked())
            .find(|folder| folder.join("initdb").exists())
            .expect("PostgreSQL 15 or later is installed (`make setup` installs it)")
    });
    folder.join(name)
}

/// User and group ids of the server, if they are not the tests' own.
fn server_user() -> Option<(u32, u32)> {
    static IDS: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *IDS.get_or_init(|| {
        let is_root = std::fs::metadata("/proc/self").expect("/proc").uid() == 0;
        let id = |kind| {
            let answer = Command::new("id").args([kind, SERVER_USER]).output().expect("id runs");
            let text = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
            text.parse().unwrap_or_else(|_| panic!("root needs the user {SERVER_USER}"))
        };
        is_root.then(|| (id("-u"), id("-g")))
    })
}

/// A program of PostgreSQL's and its arguments, to be run as the server's user. The kernel forgets who
/// is to be killed with us when the user changes, so it is said again.
pub fn as_server(name: &str, arguments: &[OsString]) -> (OsString, Vec<OsString>) {
    let program = program(name).into_os_string();
    let Some((user, group)) = server_user() else { return (program, arguments.to_vec()) };
    let mut all: Vec<OsString> = [
        format!("--reuid={user}"),
        format!("--regid={group}"),
        "--clear-groups".to_owned(),
        "--pdeathsig".to_owned(),
        "KILL".to_owned(),
        "--".to_owned(),
    ]
    .map(OsString::from)
    .to_vec();
    all.push(program);
    all.extend_from_slice(arguments);
    ("setpriv".into(), all)
}

/// Gives a file or folder to the server's user.
pub fn give(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
    if let Some((user, group)) = server_user() {
        chown(path, Some(user), Some(group)).expect("given to the server's user");
    }
}

/// An empty folder that the server's user can reach. Root's target folder may be closed to others, so
/// root takes the folder for temporary files.
pub fn fresh(name: &str) -> PathBuf {
    let folder = match server_user() {
        None => folder::fresh(&format!("postgres-{name}")),
        Some(_) => {
            let folder = of_this_run().join(name);
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir(&folder).expect("a folder");
            folder
        }
    };
    give(&folder, 0o700);
    folder
}

/// Root's folder of this run. Removes those of runs that have ended.
fn of_this_run() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        const PREFIX: &str = "generic-consumer-postgres-";
        let all = std::env::temp_dir();
        for entry in std::fs::read_dir(&all).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(pid) = name.strip_prefix(PREFIX) else { continue };
            if !Path::new("/proc").join(pid).exists() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let folder = all.join(format!("{PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for PostgreSQL");
        folder
    })
}

/// Copies a data folder that is made once: the superuser `postgres`, the program's role, its database.
pub fn copy_of_the_template(to: &Path) {
    static TEMPLATE: OnceLock<PathBuf> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let data = fresh("template").join("data");
        let quoted = |text: &str| OsString::from(text);
        run(
            "initdb",
            data.as_os_str(),
            &[
                quoted("--username=postgres"),
                quoted("--auth=trust"),
                quoted("--encoding=UTF8"),
                quoted("--no-locale"),
                quoted("--no-sync"),
                quoted("--wal-segsize=1"),
            ],
            "",
        );
        run(
            "postgres",
            data.as_os_str(),
            &["--single".into(), "postgres".into()],
            &format!(
                "CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'\n\
             CREATE DATABASE {DATABASE} OWNER {USER}\n"
            ),
        );
        data
    });
    let copied = Command::new("cp").arg("-a").args([template.as_path(), to]).status();
    assert!(copied.is_ok_and(|status| status.success()), "the template is copied");
}

/// Runs one of PostgreSQL's programs on a data folder to its end.
fn run(name: &str, data: &OsStr, arguments: &[OsString], input: &str) {
    let mut all: Vec<OsString> = Vec::new();
    // `--single` has to be the first argument.
    let (first, rest) = arguments.split_at(usize::from(name == "postgres"));
    all.extend_from_slice(first);
    all.extend(["-D".into(), data.to_owned()]);
    all.extend_from_slice(rest);
    let (program, arguments) = as_server(name, &all);
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let done = child.wait_with_output().expect("the end");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && !errors.contains("ERROR"), "{name}:\n{errors}");
}
