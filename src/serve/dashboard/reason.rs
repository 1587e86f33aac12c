//! Why something does not answer, as the page shows it.

use crate::config::on_one_line;

/// Characters that are shown.
const LONGEST: usize = 200;

/// The text on one line, without the operating system's number of the error, and not longer than it
/// can be read.
pub(super) fn shown(error: &str) -> String {
    let error = on_one_line(error);
    let error = match error.rsplit_once(" (os error ") {
        Some((reason, number)) if number.trim_end_matches(')').parse::<i32>().is_ok() => reason,
        _ => &error,
    };
    match error.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &error[..cut]),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_can_be_read() {
        let refused = "connect: Connection refused (os error 111)";
        assert_eq!(shown(refused), "connect: Connection refused");
        assert_eq!(shown("a\n\u{1b}[2J (os error x)"), "a\\n\\u{1b}[2J (os error x)");
        assert_eq!(shown(&"ä".repeat(300)).chars().count(), LONGEST + 1);
    }
}
