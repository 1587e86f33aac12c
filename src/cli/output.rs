//! Standard output and standard error. The reader of a pipe may close it early, as `head` does: that
//! is no failure, and what the command does goes on.

use std::io::{self, ErrorKind, Write};

use super::failure::{Exit, Failure};

/// Writes the text to standard output. Fails if it cannot be written although somebody reads.
pub fn print(text: &str) -> Result<(), Failure> {
    write_to(&mut io::stdout().lock(), text)
        .map_err(|error| Failure::new(Exit::Stopped, "write to standard output").source(error))
}

/// Writes the text to standard error. Where that fails there is nobody to tell.
pub fn say(text: &str) {
    let _ = write_to(&mut io::stderr().lock(), text);
}

fn write_to(stream: &mut impl Write, text: &str) -> io::Result<()> {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
