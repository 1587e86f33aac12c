//! kcat draining a topic: what librdkafka alone costs. It runs on the librdkafka that the consumer
//! is built with, and has the consumer's fetch settings (src/source/client.rs).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::util::get_rdkafka_version;

use crate::measure::{self, Cost};
use crate::support::domain::program;
use crate::support::folder;
use crate::support::process::{Process, Start};

const PATIENCE: Duration = Duration::from_secs(600);

const SETTINGS: [&str; 6] = [
    "queued.max.messages.kbytes=2048",
    "fetch.max.bytes=4194304",
    "fetch.message.max.bytes=1048576",
    "fetch.queue.backoff.ms=2",
    "fetch.wait.max.ms=100",
    "isolation.level=read_committed",
];

/// kcat, and the folder of the library it is run on.
pub struct Kcat {
    library: PathBuf,
}

impl Kcat {
    pub fn find() -> Self {
        let library = bundled_library();
        let said = Command::new("kcat").arg("-V").env("LD_LIBRARY_PATH", &library).output();
        let said = said.expect("kcat runs: make bench-setup installs it").stdout;
        let (said, (_, version)) = (String::from_utf8_lossy(&said), get_rdkafka_version());
        assert!(said.contains(&format!("librdkafka {version} ")), "not {version}: {said}");
        Self { library }
    }

    /// Reads the topic to its end. kcat prints one byte an event, which is how they are counted.
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
        let cost = measure::to_the_end(&mut process, PATIENCE);
        assert_eq!(process.output().trim().len() as u64, events, "events that kcat read");
        cost
    }
}

/// Where the build of the crate rdkafka-sys left the shared library.
fn bundled_library() -> PathBuf {
    let builds = program().with_file_name("build");
    let folders = std::fs::read_dir(&builds).expect("cargo's folder of build scripts");
    folders
        .filter_map(|folder| Some(folder.ok()?.path().join("out/src")))
        .find(|folder| has_library(folder))
        .unwrap_or_else(|| panic!("no librdkafka.so.1 of the crate's build in {builds:?}"))
}

fn has_library(folder: &Path) -> bool {
    folder.join("librdkafka.so.1").exists()
}
