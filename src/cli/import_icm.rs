//! `import-icm FILE`: a configuration file of Insights Core Messaging becomes our files.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::failure::{Exit, Failure};
use super::import_args::{ImportArgs, ImportFormat};
use super::import_page;
use super::output;
use super::page::terminal_width;
use crate::icm;

const HINT: &str = "docs/reference/import-icm.md says what becomes of which entry";

pub fn import(args: &ImportArgs) -> Result<(), Failure> {
    let shown = args.file.display();
    let unreadable = |error: std::io::Error| {
        Failure::new(Exit::Usage, format!("read {shown}")).source(error).hint(HINT)
    };
    let bytes = std::fs::read(&args.file).map_err(unreadable)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::Usage, format!("read {shown}: it is not UTF-8")))?;
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let import = icm::import(text.trim_start_matches('\u{feff}'), &args.domain, &name);
    let import = import.map_err(|mistakes| {
        let what = format!("import {shown}; nothing was written\n  {}", mistakes.join("\n  "));
        Failure::new(Exit::Configuration, what).hint(HINT)
    })?;
    let files = [
        (args.out.join("config/environments.toml"), &import.toml),
        (args.out.join(".env"), &import.env_file),
    ];
    write(&files)?;
    let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    output::print(&match args.format {
        ImportFormat::Json => import_page::json(&import, &args.domain, &names),
        ImportFormat::Table => import_page::page(&import, &args.domain, &names, terminal_width()),
    })
}

/// Writes all files, or none: where one exists, or cannot be written, those before are removed.
fn write(files: &[(PathBuf, &String)]) -> Result<(), Failure> {
    if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(exists(path));
    }
    for (index, (path, text)) in files.iter().enumerate() {
        if let Err(error) = create(path, text) {
            // One that existed before is somebody else's.
            let own = if error.kind() == ErrorKind::AlreadyExists { index } else { index + 1 };
            for (path, _) in &files[..own] {
                let _ = std::fs::remove_file(path);
            }
            let what = format!("write {}; nothing was written", path.display());
            return Err(match error.kind() {
                ErrorKind::AlreadyExists => exists(path),
                _ => Failure::new(Exit::Usage, what).source(error),
            });
        }
    }
    Ok(())
}

fn create(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn exists(path: &Path) -> Failure {
    let what = format!("{} exists already; nothing was written", path.display());
    Failure::new(Exit::Usage, what).hint("name another folder with --out")
}
