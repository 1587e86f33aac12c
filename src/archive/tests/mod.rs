//! Archives of all formats, whole and broken.

mod broken;
mod properties;

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// The bytes of a tar with these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ::tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = ::tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).expect("appended");
    }
    builder.into_inner().expect("written")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("finished")
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = ::zip::write::SimpleFileOptions::default()
        .compression_method(::zip::CompressionMethod::Deflated);
    for (name, content) in files {
        writer.start_file(*name, options).expect("started");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished").into_inner()
}

/// The wanted files of an archive, within these limits.
fn read_within(
    bytes: &[u8],
    wanted: &dyn Fn(&str) -> bool,
    limits: &ArchiveLimits,
) -> Result<Files, ArchiveError> {
    let plain_name = "data.json.gz";
    read(bytes, Request { plain_name, wanted, limits, on_kept: &mut |_| Ok(()) })
}

/// All files of an archive that begin with `a` or `data`.
fn of(bytes: &[u8]) -> Result<Vec<(String, String)>, ArchiveError> {
    let wanted = |path: &str| path.starts_with('a') || path.starts_with("data");
    let files = read_within(bytes, &wanted, &ArchiveLimits::default())?;
    let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
    Ok(files.iter().map(|(path, content)| (path.to_owned(), text(content))).collect())
}

fn error(bytes: &[u8]) -> &'static str {
    of(bytes).expect_err("is refused").code()
}

fn pairs(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

const TWO: [(&str, &[u8]); 3] = [("a/1", b"one"), ("b/2", b"unwanted"), ("a/long", b"")];

#[test]
fn every_format_gives_the_wanted_files() {
    let expected = pairs(&[("a/1", "one"), ("a/long", "")]);
    assert_eq!(of(&tar(&TWO)).expect("tar"), expected);
    assert_eq!(of(&gzip(&tar(&TWO))).expect("tar.gz"), expected);
    assert_eq!(of(&zip(&TWO)).expect("zip"), expected);
    // A tar in two members of gzip.
    let whole = tar(&TWO);
    let (first, second) = whole.split_at(700);
    assert_eq!(of(&[gzip(first), gzip(second)].concat()).expect("members"), expected);
    assert_eq!(of(&gzip(b"{}")).expect("a file"), pairs(&[("data.json", "{}")]));
}

#[test]
fn a_file_that_is_no_archive_is_known_by_the_name_that_it_is_given() {
    assert_eq!(of(b"{}").expect("a file"), pairs(&[("data.json.gz", "{}")]));
    let nothing = read_within(b"{}", &|_| false, &ArchiveLimits::default());
    assert_eq!(nothing.expect_err("not wanted").code(), "archive_no_archive");
}

#[test]
fn names_are_paths_within_the_archive() {
    let long = format!("a/{}", "x".repeat(300));
    let files = of(&tar(&[("./a/./b//c", b"1"), (&long, b"2"), ("a/1", b"old"), ("a/1", b"new")]));
    let expected = pairs(&[("a/1", "new"), ("a/b/c", "1"), (&long, "2")]);
    assert_eq!(files.expect("read"), expected);
    // Of an archive in an archive only the outer one is unpacked.
    let inner = tar(&[("a/inner", b"1")]);
    let files = of(&gzip(&tar(&[("a/inner.tar", &inner)]))).expect("read");
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].0, "a/inner.tar");
}

#[test]
fn links_and_devices_are_skipped_and_counted() {
    let mut builder = ::tar::Builder::new(Vec::new());
    for kind in [::tar::EntryType::Symlink, ::tar::EntryType::Link, ::tar::EntryType::Char] {
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        builder.append_link(&mut header, "a/link", "/etc/passwd").expect("appended");
    }
    let mut header = ::tar::Header::new_gnu();
    header.set_entry_type(::tar::EntryType::Directory);
    header.set_size(0);
    builder.append_data(&mut header, "a/", &b""[..]).expect("appended");
    let bytes = builder.into_inner().expect("written");
    let files = read_within(&bytes, &|_| true, &ArchiveLimits::default()).expect("read");
    assert_eq!((files.len(), files.skipped(), files.entries()), (0, 3, 4));
    assert!(of(&tar(&[])).expect("empty").is_empty() && of(&zip(&[])).expect("empty").is_empty());
}

#[test]
fn a_folder_is_read_like_an_archive() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("a/b")).expect("made");
    std::fs::write(folder.path().join("a/b/c"), "1").expect("written");
    std::fs::write(folder.path().join("z"), "2").expect("written");
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a/link")).expect("linked");
    let wanted = |path: &str| path.starts_with('a');
    let limits = ArchiveLimits::default();
    let on_kept = &mut |_| Ok(());
    let request = Request { plain_name: "", wanted: &wanted, limits: &limits, on_kept };
    let files = read_folder(folder.path(), request).expect("read");
    assert_eq!(files.iter().collect::<Vec<_>>(), [("a/b/c", &b"1"[..])]);
    assert_eq!(files.skipped(), 1);
}
