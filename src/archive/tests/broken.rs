//! Archives that are refused, each with its own code.

use std::io;

use super::*;

/// A tar entry whose header is as `change` leaves it.
fn entry(change: impl FnOnce(&mut ::tar::Header), content: &[u8]) -> Vec<u8> {
    let mut header = ::tar::Header::new_gnu();
    header.set_path("a/1").expect("set");
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    change(&mut header);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn with_end(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([0; 1024]);
    bytes
}

fn with_name(name: &str) -> Vec<u8> {
    with_end(entry(
        |header| {
            let field = &mut header.as_old_mut().name;
            field.fill(0);
            field[..name.len()].copy_from_slice(name.as_bytes());
        },
        b"1",
    ))
}

#[test]
fn what_is_cut_off_is_truncated() {
    let whole = tar(&[("a/1", &[7; 2_000]), ("a/2", b"2")]);
    let zipped = gzip(&whole);
    for (bytes, length) in [(&whole, 600), (&whole, 2_100), (&whole, 2_560), (&whole, 2_561)] {
        assert_eq!(error(&bytes[..length]), "archive_truncated", "{length}");
    }
    for length in [zipped.len() / 2, zipped.len() - 1, zipped.len() - 8] {
        assert_eq!(error(&zipped[..length]), "archive_truncated", "{length}");
    }
    let zip = zip(&TWO);
    assert_eq!(error(&zip[..zip.len() - 30]), "archive_truncated");
    assert_eq!(error(&zip[..40]), "archive_truncated");
    // Whole, but without the empty blocks at its end.
    assert_eq!(error(&entry(|_| {}, b"1")), "archive_truncated");
}

#[test]
fn what_is_no_archive_says_so() {
    assert_eq!(error(b""), "archive_empty");
    assert_eq!(error(&gzip(b"")), "archive_empty");
    assert_eq!(error(b"\xfd7zXZ\0 and more"), "archive_unsupported");
    assert_eq!(error(b"BZh91AY&SY"), "archive_unsupported");
    let page = read_within(b"<html>", &|path| path == "config/id", &ArchiveLimits::default());
    assert_eq!(page.expect_err("no archive").code(), "archive_no_archive");
}

#[test]
fn damage_is_noticed() {
    let mut second = tar(&[("a/1", b"1"), ("a/2", b"2")]);
    second[1_024 + 3] ^= 1;
    assert_eq!(error(&second), "archive_malformed");
    let mut zipped = gzip(&tar(&TWO));
    let last = zipped.len() - 6;
    zipped[last] ^= 1;
    assert_eq!(error(&zipped), "archive_malformed");
    let mut garbage = gzip(&tar(&TWO));
    garbage.extend(b"garbage that is no gzip");
    assert_eq!(error(&garbage), "archive_malformed");
    assert_eq!(
        error(&with_end(entry(|header| header.as_old_mut().size = *b"not a number", b""))),
        "archive_malformed"
    );
}

#[test]
fn names_that_lead_out_of_the_archive_are_refused() {
    for name in ["/etc/passwd", "../a", "a/../../b", "b/.."] {
        assert_eq!(error(&with_name(name)), "archive_bad_name", "{name}");
    }
    assert_eq!(error(&zip(&[("../a", b"1")])), "archive_bad_name");
    let limits = ArchiveLimits { name_bytes: 10, ..ArchiveLimits::default() };
    let long = tar(&[("a/23456789x", b"")]);
    let code = read_within(&long, &|_| true, &limits).expect_err("too long").code();
    assert_eq!(code, "archive_name_too_long");
}

#[test]
fn extended_headers_take_no_memory_that_they_only_announce() {
    let of_type = |kind: u8, size: u64| {
        entry(
            move |header| {
                header.set_entry_type(::tar::EntryType::new(kind));
                header.set_size(size);
            },
            b"",
        )
    };
    assert_eq!(error(&of_type(b'L', 1 << 33)), "archive_name_too_long");
    assert_eq!(error(&of_type(b'x', 1 << 33)), "archive_malformed");
    // What nobody needs of them is passed over.
    assert_eq!(error(&of_type(b'g', 1 << 33)), "archive_truncated");
    assert_eq!(error(&of_type(b'K', u64::MAX >> 1)), "archive_truncated");
    assert_eq!(error(&with_end(of_type(b'S', 0))), "archive_unsupported");
    let two_sizes = [
        entry(|it| it.set_entry_type(::tar::EntryType::XHeader), b"12 size=999\n"),
        entry(|_| {}, b"1"),
    ];
    assert_eq!(error(&with_end(two_sizes.concat())), "archive_malformed");
}

#[test]
fn limits_hold_whatever_the_headers_say() {
    let zeros = vec![0; 3 << 20];
    let bomb = gzip(&tar(&[("b/large", &zeros), ("a/1", b"1")]));
    let code = |bytes: &[u8], limits: ArchiveLimits| {
        read_within(bytes, &|path| path.starts_with('a'), &limits).expect_err("too much").code()
    };
    let limits = ArchiveLimits::default;
    let decompressed_bytes = 1 << 20;
    assert_eq!(code(&bomb, ArchiveLimits { decompressed_bytes, ..limits() }), "archive_too_large");
    for bytes in [tar(&[("a/large", &zeros)]), zip(&[("a/large", &zeros)])] {
        let limits = ArchiveLimits { file_bytes: 1_000, ..limits() };
        assert_eq!(code(&bytes, limits), "archive_file_too_large");
    }
    let many = tar(&[("b", b""), ("c", b""), ("d", b"")]);
    assert_eq!(code(&many, ArchiveLimits { entries: 2, ..limits() }), "archive_too_many_entries");
    let many = zip(&[("b", b""), ("c", b""), ("d", b"")]);
    assert_eq!(code(&many, ArchiveLimits { entries: 2, ..limits() }), "archive_too_many_entries");
    assert_eq!(code(&many, ArchiveLimits { zip_bytes: 10, ..limits() }), "archive_zip_too_large");
    // Empty files are not free.
    let names: Vec<String> = (0..100).map(|index| format!("a/{index}")).collect();
    let empty: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let kept_bytes = 1_000;
    assert_eq!(
        code(&tar(&empty), ArchiveLimits { kept_bytes, ..limits() }),
        "archive_too_much_kept"
    );
}

#[test]
fn whoever_counts_memory_can_end_the_reading() {
    for bytes in [tar(&TWO), gzip(&tar(&TWO)), zip(&TWO)] {
        let mut counted = 0;
        let limits = ArchiveLimits::default();
        let on_kept = &mut |bytes: usize| {
            counted += bytes;
            if counted > 10 { Err(NoRoom) } else { Ok(()) }
        };
        let request = Request { plain_name: "", wanted: &|_| true, limits: &limits, on_kept };
        assert_eq!(read(&bytes[..], request).expect_err("no room").code(), "archive_no_room");
    }
}

#[test]
fn a_reader_that_fails_is_told_from_an_archive_that_is_damaged() {
    struct Failing<'b>(&'b [u8]);
    impl io::Read for Failing<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.read(into) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                other => other,
            }
        }
    }
    for bytes in [tar(&TWO), gzip(&tar(&TWO)), zip(&TWO)] {
        let limits = ArchiveLimits::default();
        let request = Request {
            plain_name: "",
            wanted: &|_| true,
            limits: &limits,
            on_kept: &mut |_| Ok(()),
        };
        let half = Failing(&bytes[..bytes.len() / 2]);
        let error = read(half, request).expect_err("fails");
        assert!(matches!(error, ArchiveError::Read(_)), "{error}");
    }
}

#[test]
fn an_encrypted_file_is_refused_if_it_is_wanted() {
    // The flag for encryption is the lowest bit, in the local header and in the directory.
    let mut bytes = zip(&[("a/1", b"one"), ("b", b"two")]);
    let set = |bytes: &mut Vec<u8>, magic: &[u8], flag: usize| {
        let at = memchr::memmem::find(bytes, magic).expect("there");
        bytes[at + flag] |= 1;
    };
    set(&mut bytes, b"PK\x03\x04", 6);
    set(&mut bytes, b"PK\x01\x02", 8);
    assert_eq!(error(&bytes), "archive_encrypted");
    let others = read_within(&bytes, &|path| path == "b", &ArchiveLimits::default());
    assert_eq!(others.expect("the other file").get("b"), Some(&b"two"[..]));
}
