//! The folder of the live tests' files: `target/tmp/live-<pid>`, with a subfolder for each user.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder of this run. Removes the folders of runs that have ended; this run's stays until the
/// next run, so that a failure can be investigated.
fn of_this_run() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in std::fs::read_dir(all).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(pid) = name.strip_prefix("live-") else { continue };
            if !Path::new("/proc").join(pid).exists() {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let folder = all.join(format!("live-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the live tests");
        folder
    })
}

/// An empty folder called `name`.
pub fn fresh(name: &str) -> PathBuf {
    let folder = of_this_run().join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Cargo's target folder, in which fetched peers are kept.
pub fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target/tmp lies in target")
}
