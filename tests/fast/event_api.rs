//! `api` and `produce --generate --to-api` as processes, on the embedded broker.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::first_run::{command, folder};
use crate::signal::{Signal, signal};

fn program(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = command(folder, arguments);
    command.envs(variables.iter().copied());
    command
}

/// A running `api`, which is killed at the end.
struct Api(Child);

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, address: &str, token_file: Option<&str>) -> Api {
    let mut variables = vec![("API_ADDR", address)];
    variables.extend(token_file.map(|file| ("API_TOKENS_FILE", file)));
    let mut command = program(folder, &["api", "DELIVERY"], &variables);
    let child = command.stderr(Stdio::null()).spawn().expect("starts");
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "the API does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Api(child)
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn made_up_events_are_sent_to_an_api_that_ends_cleanly() {
    let folder = folder();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let address = port.to_string();
    std::fs::write(folder.path().join("tokens"), "made-up-0123456789\n").expect("written");
    let mut api = start(folder.path(), &address, Some("tokens"));
    let url = format!("http://{address}");
    let arguments = [
        "produce",
        "DELIVERY",
        "--generate",
        "--rate",
        "2000/s",
        "--count",
        "150",
        "--to-api",
        &url,
    ];
    let refused = program(folder.path(), &arguments, &[]).output().expect("runs");
    let (code, _, said) = text(&refused);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("401") && said.contains("--token-file"), "{said}");
    let token = ("GENERIC_CONSUMER_API_TOKEN", "made-up-0123456789");
    let sent = program(folder.path(), &arguments, &[token]).output().expect("runs");
    let (code, said, errors) = text(&sent);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.starts_with(&format!("published 150 events to {url}/v1/events in ")), "{said}");

    // Without an end of its own it ends by a signal.
    let endless = [&arguments[..5], &arguments[7..], &["--token-file", "tokens"]].concat();
    let mut endless = program(folder.path(), &endless, &[]);
    let endless = endless.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    std::thread::sleep(Duration::from_millis(500));
    for pid in [endless.id(), api.0.id()] {
        assert!(signal(Signal::TERM, pid));
        std::thread::sleep(Duration::from_millis(200));
    }
    let (code, said, _) = text(&endless.wait_with_output().expect("ends"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("published ") && !said.starts_with("published 0 "), "{said}");
    assert_eq!(api.0.wait().expect("ends").code(), Some(0));
}

#[test]
fn without_tokens_only_this_machine_may_reach_the_api() {
    let folder = folder();
    let api = |variables: &[(&str, &str)]| {
        text(&program(folder.path(), &["api", "DELIVERY"], variables).output().expect("runs"))
    };
    let (code, _, said) = api(&[("API_ADDR", "0.0.0.0:0")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("API_ADDR is 0.0.0.0:0") && said.contains("API_TOKENS_FILE_DELIVERY"));
    let (code, _, said) = api(&[("API_TOKENS_FILE", "missing")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("read the tokens in missing"), "{said}");
    let (code, _, said) = api(&[("EVENT_KEY", "/delivery_idd"), ("API_ADDR", "127.0.0.1:0")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/delivery_idd, a field that no event type declares"), "{said}");
}
