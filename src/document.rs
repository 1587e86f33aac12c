//! Files that are read as a whole: configuration, statements, certificates.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// The most bytes of a document: far more than any has, and little to hold.
pub const MOST_BYTES: u64 = 16 << 20;

/// The bytes of a file, of which there may be no more than in any other document. A device has no end.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_BYTES {
        false => Ok(bytes),
        true => {
            let problem = format!("it has more than {MOST_BYTES} bytes");
            Err(io::Error::new(ErrorKind::InvalidData, problem))
        }
    }
}

/// The same of a text in UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused() {
        let error = read(Path::new("/dev/zero")).expect_err("it has no end");
        assert_eq!(error.to_string(), "it has more than 16777216 bytes");
        assert!(read(Path::new(file!())).is_ok());
        assert_eq!(read(Path::new("/no/such")).expect_err("none").kind(), ErrorKind::NotFound);
    }
}
