//! `transfer --sql-proxy` with stand-ins for the proxy: scripts on the PATH that do not listen.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command_line::{generic_consumer, text};

const CONTRACT: &str = r#"
asyncapi: 3.0.0
info: { title: Sales, version: 1.0.0 }
channels:
  Sales:
    address: sales
    x-event-type: only
    messages:
      Sale:
        payload:
          type: object
          required: [id, at]
          properties: { id: { type: string }, at: { type: string, format: date-time } }
"#;

const TRANSFERS: &str = r#"
[transfer.sales]
contract = "sales_v1"
channel = "Sales"
target = "sales"
date_column = "at"
key = ["id"]

[transfer.sales.source]
kind = "query"
sql = "sales.sql"
environment = "sales"
PROXY

[write.sales.postgres]
url = "postgres://reader@nowhere.invalid:5432/shop"

[write.local]
project = "local"
dataset = "shop"
[write.local.endpoint]
rest = "embedded"
storage = "embedded"
"#;

const PATIENCE: Duration = Duration::from_secs(30);

const RUN: &[&str] =
    &["transfer", "20261120", "sales", "truncate", "transfers.toml", "--sql-proxy"];

/// A project whose proxy is this script. It writes its number into `pid` first.
fn project(proxy: &str, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |file: &str, content: &str| {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        std::fs::write(path, content).expect("written");
    };
    write("contracts/sales_v1.yaml", CONTRACT);
    write("transfers.toml", &TRANSFERS.replace("PROXY", proxy));
    write("sales.sql", "SELECT id, at FROM sales WHERE at >= {start} AND at < {end}");
    let bash = bash();
    let pid = folder.path().join("pid");
    // Renamed, so that whoever sees the file sees the number.
    let begin = format!("echo $$ > '{0}.new'; mv '{0}.new' '{0}'", pid.display());
    write("bin/cloud-sql-proxy", &format!("#!{bash}\n{begin}\n{script}\n"));
    let program = folder.path().join("bin/cloud-sql-proxy");
    std::fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("executable");
    folder
}

/// The shell's path, which is not /bin/bash everywhere.
fn bash() -> String {
    let path = std::env::var("PATH").expect("a PATH");
    let found = path.split(':').map(|folder| format!("{folder}/bash"));
    found.into_iter().find(|bash| Path::new(bash).exists()).expect("bash is on the PATH")
}

fn variables(folder: &Path) -> Vec<(&'static str, String)> {
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{path}", folder.join("bin").display());
    let temporary = folder.to_str().expect("UTF-8").to_owned();
    [("WRITE_ENV", "local"), ("CONTRACTS_DIR", "contracts"), ("CSQL_PROXY_PORT", "9")]
        .map(|(name, value)| (name, value.to_owned()))
        .into_iter()
        .chain([("PATH", path), ("TMPDIR", temporary)])
        .collect()
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let variables = variables(folder);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let Output { status, stderr, .. } = generic_consumer(folder, arguments, &variables);
    (status.code(), text(&stderr))
}

/// Starts the program, and waits until its proxy runs.
fn begun(folder: &Path) -> (Child, Pid) {
    let child = Command::new(env!("CARGO_BIN_EXE_generic-consumer"))
        .args(RUN)
        .current_dir(folder)
        .env_clear()
        .envs(variables(folder))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let began = Instant::now();
    let pid = loop {
        if let Ok(pid) = std::fs::read_to_string(folder.join("pid")) {
            break pid.trim().parse().ok().and_then(Pid::from_raw).expect("a number");
        }
        assert!(began.elapsed() < PATIENCE, "the proxy is not started");
        std::thread::sleep(Duration::from_millis(5));
    };
    (child, pid)
}

/// Waits until the process has ended.
fn is_gone(pid: Pid) {
    let began = Instant::now();
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(began.elapsed() < PATIENCE, "the proxy still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn folders_left(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    entries.filter(|it| it.file_name().to_string_lossy().starts_with("generic-consumer-")).count()
}

#[test]
fn a_proxy_that_ends_is_told_with_its_last_lines() {
    let script = "echo \"$@\"; echo ${CSQL_PROXY_PORT-unset}; echo 'no credentials' >&2; exit 3";
    let project = project("instance = \"p:r:i\"", script);
    let (code, errors) = run(project.path(), RUN);
    assert_eq!(code, Some(3), "{errors}");
    let (_, page) = errors.split_once("error: start the SQL proxy").expect(&errors);
    let ended = "the SQL proxy cloud-sql-proxy has ended (exit status: 3); its last lines:\n    ";
    for said in [ended, "no credentials", "unset", "p:r:i", "--unix-socket=/", "instance` of"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(errors.contains("\"target\":\"sql_proxy\""), "its lines are in the log: {errors}");
    assert_eq!(folders_left(project.path()), 0);
}

#[test]
fn a_socket_whose_path_would_be_too_long_is_a_port_instead() {
    // Instances have long names, and builds deep folders for temporary files.
    let instance = format!("project:region:{}", "i".repeat(98));
    let project = project(&format!("instance = \"{instance}\""), "echo \"$@\"; exit 3");
    let (code, errors) = run(project.path(), RUN);
    assert_eq!(code, Some(3), "{errors}");
    let said = format!("{instance}\n");
    assert!(errors.contains("--address=127.0.0.1 --port=") && errors.contains(&said), "{errors}");
    assert_eq!(folders_left(project.path()), 0);
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let project = project("instance = \"p:r:i\"", "");
    let arguments = [&RUN[..RUN.len() - 1], &["--sql-proxy=no-such-proxy"]].concat();
    let (code, errors) = run(project.path(), &arguments);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("start the SQL proxy no-such-proxy"), "{errors}");
    assert!(errors.contains("it is not on the PATH"), "{errors}");
}

#[test]
fn what_listens_already_is_not_taken_for_the_proxy() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = other.local_addr().expect("an address");
    let proxy = format!("proxy = \"{at}\"\ninstance = \"p:r:i\"");
    let project = project(&proxy, "exec sleep 1000");
    let (code, errors) = run(project.path(), RUN);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains(&format!("{at} is taken")), "{errors}");
    assert!(!project.path().join("pid").exists(), "it is not even started");
    // It takes the address in the moment in which the proxy starts.
    drop(other);
    let (child, pid) = begun(project.path());
    let _other = TcpListener::bind(at).expect("the port");
    let output = child.wait_with_output().expect("it ends");
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains(&format!("{at} is taken")), "{errors}");
    is_gone(pid);
}

#[test]
fn the_proxy_ends_with_the_run_whatever_ends_it() {
    for (signal, code) in
        [(Signal::TERM, Some(130)), (Signal::INT, Some(130)), (Signal::KILL, None)]
    {
        let project = project("instance = \"p:r:i\"", "exec sleep 1000");
        let (child, pid) = begun(project.path());
        let run = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a number");
        kill_process(run, signal).expect("sent");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), code, "{signal:?}: {}", text(&output.stderr));
        is_gone(pid);
    }
}

#[test]
fn mistakes_about_the_proxy_are_told() {
    let project = project("", "");
    let (code, errors) = run(project.path(), RUN);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("instance = \"project:region:instance\""), "{errors}");
    for (proxy, said) in [
        ("instance = \"orders\"", "`project:region:instance`"),
        ("instance = \"p:r:-i\"", "`project:region:instance`"),
        ("proxy = \"/cloudsql/p:r:i\"\ninstance = \"p:r:j\"", "the end of `proxy`: `p:r:i`"),
    ] {
        let file = TRANSFERS.replace("PROXY", proxy);
        std::fs::write(project.path().join("transfers.toml"), file).expect("written");
        let (code, errors) = run(project.path(), RUN);
        assert_eq!(code, Some(1), "{proxy}: {errors}");
        assert!(errors.contains(said), "{proxy}: {errors}");
    }
    let proxy = "proxy = \"/no/such/folder/p:r:i\"";
    let file = TRANSFERS.replace("PROXY", proxy);
    std::fs::write(project.path().join("transfers.toml"), file).expect("written");
    let (code, errors) = run(project.path(), RUN);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("the folder around it does not exist"), "{errors}");
}
