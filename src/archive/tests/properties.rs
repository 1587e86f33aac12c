//! Archives of random files come back as they were; random damage does no harm.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let name = "[ab]/[a-c]{1,3}|a{1,150}/ü|[ab][a-z0-9._-]{0,8}";
    let content = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..1_500),
        // Not to be taken for the end of a tar.
        Just(vec![0; 1_024]),
    ];
    prop::collection::btree_map(name, content, 0..8)
}

fn written(files: &BTreeMap<String, Vec<u8>>, format: usize) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    match format {
        0 => tar(&files),
        1 => gzip(&tar(&files)),
        _ => zip(&files),
    }
}

proptest! {
    #[test]
    fn an_archive_gives_the_wanted_files_that_were_put_into_it(
        files in files(), format in 0..3_usize,
    ) {
        let bytes = written(&files, format);
        let wanted = |path: &str| path.starts_with('a');
        let read = read_within(&bytes, &wanted, &ArchiveLimits::default());
        let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let expected: Vec<(&str, &[u8])> = files
            .iter()
            .filter(|(path, _)| wanted(path))
            .map(|(path, content)| (path.as_str(), content.as_slice()))
            .collect();
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn damage_never_panics_and_never_keeps_more_than_the_limits(
        files in files(),
        format in 0..3_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 0..6),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = written(&files, format);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if is_cut {
            bytes.truncate(end.index(bytes.len()));
        }
        harmless(&bytes)?;
    }

    #[test]
    fn random_bytes_do_no_harm(
        start in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\0", b"PK\x03\x04", b"PK\x05\x06"]),
        rest in prop::collection::vec(any::<u8>(), 0..2_000),
    ) {
        harmless(&[start, rest.as_slice()].concat())?;
    }
}

fn harmless(bytes: &[u8]) -> Result<(), TestCaseError> {
    let kept_bytes = 1_500;
    let limits = ArchiveLimits { kept_bytes, entries: 6, ..ArchiveLimits::default() };
    let mut counted = 0;
    let request = Request {
        plain_name: "data",
        wanted: &|_| true,
        limits: &limits,
        on_kept: &mut |bytes| {
            counted += bytes as u64;
            Ok(())
        },
    };
    let read = read(bytes, request);
    prop_assert!(counted <= kept_bytes + bytes.len() as u64);
    if let Ok(files) = read {
        let kept: usize = files.iter().map(|(path, content)| path.len() + content.len()).sum();
        prop_assert!(kept as u64 <= kept_bytes && files.entries() <= 6);
    }
    Ok(())
}
