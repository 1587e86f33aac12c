//! `dashboard` as a process: a clean end, and the mistakes that keep it from starting. Its stores are
//! not there.

#[expect(dead_code, reason = "the live tests use all of it")]
#[path = "../support/http.rs"]
mod http;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::http::get;
use crate::first_run::command;
use crate::signal::{Signal, signal};

const SERIES: &str = "\
[[series]]
name = 'high'
store = 'postgres'
table = 'public.high'
value = 'amount'
aggregate = 'mean'

[[instance]]
name = 'high'
url = 'http://127.0.0.1:1'
";

/// A folder with a series file, and a PostgreSQL that nobody serves.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = "WRITE_ENV=local\nWRITE__LOCAL__POSTGRES__URL=postgres://a@127.0.0.1:1/d\n\
                       WRITE__LOCAL__POSTGRES__PASSWORD=a-secret\n";
    std::fs::write(folder.path().join(".env"), environment).expect("written");
    std::fs::write(folder.path().join("series.toml"), SERIES).expect("written");
    folder
}

/// A process that is killed at the end.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, address: SocketAddr) -> Killed {
    let address = address.to_string();
    let arguments = ["dashboard", "--series", "series.toml", "--addr", &address];
    let child = command(folder, &arguments).stderr(Stdio::null()).spawn().expect("starts");
    Killed(child)
}

fn failed(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command(folder, arguments).output().expect("runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn it_shows_what_is_away_and_ends_cleanly() {
    let folder = folder();
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let mut dashboard = start(folder.path(), free);
    let began = Instant::now();
    while get(free.port(), "/readyz").is_none_or(|(status, _)| status != 200) {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not serve");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (status, page) = get(free.port(), "/").expect("a page");
    assert_eq!(status, 200);
    assert!(page.contains("generic-consumer dashboard"), "{page}");
    let (status, series) = get(free.port(), "/api/series").expect("series");
    assert_eq!(status, 200);
    assert!(series.contains("\"partial\":true") && series.contains("refused"), "{series}");
    assert!(!series.contains("a-secret") && !series.contains("postgres://"), "{series}");
    let (status, fleet) = get(free.port(), "/api/fleet").expect("the fleet");
    assert_eq!(status, 200);
    assert!(fleet.contains("\"state\":\"away\""), "{fleet}");
    let mut again = start(folder.path(), free);
    assert_eq!(again.0.wait().expect("ends").code(), Some(3), "the port is in use");
    assert!(signal(Signal::TERM, dashboard.0.id()));
    assert_eq!(dashboard.0.wait().expect("ends").code(), Some(0));
}

#[test]
fn a_mistake_is_told_in_a_sentence() {
    let folder = folder();
    let (code, said) = failed(folder.path(), &["dashboard"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("SERIES\n") && said.contains("the path of a TOML or YAML file"),
        "{said}"
    );
    let (code, said) = failed(folder.path(), &["dashboard", "--series", "nothing.toml"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("nothing.toml: No such file"), "{said}");
    let bad = SERIES.replace("'postgres'", "'postgress'").replace("'mean'", "'avg'");
    std::fs::write(folder.path().join("bad.toml"), bad).expect("written");
    let (code, said) = failed(folder.path(), &["dashboard", "--series", "bad.toml", "--addr", "x"]);
    assert_eq!(code, Some(1), "{said}");
    for part in [
        "the configuration of the dashboard has 3 mistakes",
        "DASHBOARD_ADDR",
        "series high: store",
        "bad.toml:3",
        "`avg`",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = failed(folder.path(), &["dashboard", "--help"]);
    assert_eq!(code, Some(0), "{said}");
}
