//! The jars of Kafka, fetched from Maven Central if they are missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::support::folder;

/// Those of the broker.
pub fn broker() -> PathBuf {
    fetched("pom.xml", "kafka_2.13", "kafka")
}

/// That of Kafka's own command line. The rest of what it needs is among the broker's.
pub fn tools() -> PathBuf {
    fetched("tools/pom.xml", "kafka-tools", "kafka-tools")
}

/// The folder of an artifact's jars. Its name contains the version, so another version in the pom
/// is fetched too.
fn fetched(pom: &str, artifact: &str, name: &str) -> PathBuf {
    static FETCHING: Mutex<()> = Mutex::new(());
    let _one = FETCHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/kafka").join(pom);
    let text = std::fs::read_to_string(&pom).expect("a pom.xml");
    let version = text
        .split(&format!("<artifactId>{artifact}</artifactId>"))
        .nth(1)
        .and_then(|rest| rest.split("<version>").nth(1))
        .and_then(|rest| rest.split("</version>").next())
        .unwrap_or_else(|| panic!("{} pins no {artifact}", pom.display()));
    let into = folder::target().join(format!("{name}-{version}"));
    if !into.is_dir() {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/maven.sh");
        let fetched = Command::new(script).arg(&pom).arg(&into).output();
        let fetched = fetched.unwrap_or_else(|error| panic!("run {script}: {error}"));
        assert!(
            fetched.status.success(),
            "Apache Kafka cannot be fetched (`make setup` installs what is missing):\n{}",
            String::from_utf8_lossy(&fetched.stderr)
        );
    }
    into
}
