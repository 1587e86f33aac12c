//! Runs kcat, which only reads the topic: the cost of librdkafka alone. It runs on the librdkafka
//! that the consumer is built with, and has the consumer's fetch settings (src/source/client.rs).

use std::path::{Path, PathBuf};
use std::process::Command;

use rdkafka::util::get_rdkafka_version;

use crate::measure::{self, Cost};
use crate::support::domain::program;
use crate::support::folder;
use crate::support::process::{Process, Start};

const SETTINGS: [&str; 6] = [
    "queued.max.messages.kbytes=2048",
    "fetch.max.bytes=4194304",
    "fetch.message.max.bytes=1048576",
    "fetch.queue.backoff.ms=2",
    "fetch.wait.max.ms=100",
    "isolation.level=read_committed",
];

/// kcat, and the folder of the librdkafka that it runs on.
pub struct Kcat {
    library: PathBuf,
}

impl Kcat {
    pub fn find() -> Self {
        let library = bundled_library();
        let said = Command::new("kcat").arg("-V").env("LD_LIBRARY_PATH", &library).output();
        let said = said.expect("kcat runs: make bench-setup installs it").stdout;
        let (said, (_, version)) = (String::from_utf8_lossy(&said), get_rdkafka_version());
        assert!(
            said.contains(&format!("librdkafka {version} ")),
            "kcat does not run on librdkafka {version}: {said}"
        );
        Self { library }
    }

    /// Reads the topic to its end. kcat prints one byte per event, so that they can be counted.
    pub fn drain(&self, bootstrap: &str, topic: &str, events: u64) -> Cost {
        let mut arguments = vec!["-C", "-b", bootstrap, "-t", topic];
        arguments.extend(["-o", "beginning", "-e", "-q", "-f", "."]);
        arguments.extend(SETTINGS.iter().flat_map(|setting| ["-X", setting]));
        let folder = folder::fresh("kcat");
        let mut process = Process::start(&Start {
            name: "kcat",
            log: &folder.join("output.log"),
            program: "kcat".as_ref(),
            arguments: arguments.iter().map(Into::into).collect(),
            variables: vec![("LD_LIBRARY_PATH".into(), self.library.clone().into())],
            folder: Some(&folder),
            input: None,
        });
        let cost = measure::to_the_end(&mut process);
        assert_eq!(process.output().trim().len() as u64, events, "events that kcat read");
        cost
    }
}

/// The folder with the shared library that the crate rdkafka-sys has built.
fn bundled_library() -> PathBuf {
    let builds = program().with_file_name("build");
    let folders = std::fs::read_dir(&builds).expect("cargo's folder of build scripts");
    folders
        .filter_map(|folder| Some(folder.ok()?.path().join("out/src")))
        .find(|folder| has_library(folder))
        .unwrap_or_else(|| panic!("rdkafka-sys has built no librdkafka.so.1 in {builds:?}"))
}

fn has_library(folder: &Path) -> bool {
    folder.join("librdkafka.so.1").exists()
}
