//! Text for a terminal of a known width: cells on one line, cut or padded, and wrapped paragraphs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use console::{Term, measure_text_width, pad_str, truncate_str};

/// The columns of the terminal that standard output is; `None` if it is none.
pub fn terminal_width() -> Option<usize> {
    let terminal = Term::stdout();
    terminal.is_term().then(|| usize::from(terminal.size().1).max(NARROWEST))
}

/// Some terminals say that they have no columns.
const NARROWEST: usize = 20;

/// The columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    measure_text_width(text)
}

/// The text in exactly this many columns: padded with spaces, or cut with `…` at its end.
pub fn cell(text: &str, columns: usize) -> String {
    let cut = truncate_str(text, columns, "…");
    pad_str(&cut, columns, console::Alignment::Left, None).into_owned()
}

/// Cells of one line, with two spaces between them and none at the end.
pub fn line<'a>(cells: impl IntoIterator<Item = (&'a str, usize)>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|(text, columns)| cell(text, columns)).collect();
    cells.join("  ").trim_end().to_owned()
}

/// The paragraph in lines of at most this many columns, broken at spaces. A longer word has a line
/// of its own.
pub fn wrapped(paragraph: &str, columns: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// The text in pieces of at most this many columns, broken anywhere; at least one piece.
pub fn pieces(text: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let needed = width(c.encode_utf8(&mut [0; 4]));
        if used + needed > columns.max(1) && used > 0 {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
        used += needed;
    }
    pieces
}

/// The address as a client on this machine writes it.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::on_one_line;

    #[test]
    fn a_cell_has_its_width_whatever_is_in_it() {
        for text in ["", "a", "abcdef", "Straße", "日本語の住所", "\u{1b}[31mred"] {
            assert_eq!(width(&cell(&on_one_line(text), 5)), 5, "{text}");
        }
        assert_eq!(cell("abcdef", 5), "abcd…");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(on_one_line("a\n\u{1b}[2Jb\tü"), "a\\n\\u{1b}[2Jb\\tü");
    }

    #[test]
    fn paragraphs_break_at_spaces_and_values_anywhere() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("a incomprehensibility b", 5), "a\nincomprehensibility\nb");
        assert_eq!(pieces("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(pieces("日本語", 4), ["日本", "語"]);
        assert_eq!(pieces("", 3), [""]);
    }

    #[test]
    fn every_interface_is_reached_by_loopback() {
        let at = |text: &str| reachable(text.parse().expect("an address")).to_string();
        assert_eq!(at("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(at("[::]:80"), "[::1]:80");
        assert_eq!(at("10.0.0.1:80"), "10.0.0.1:80");
    }
}
