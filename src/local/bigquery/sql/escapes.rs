//! Escape sequences of string literals, as GoogleSQL has them. The tokenizer's own are those of other
//! dialects: it takes `\u00e9` for `u00e9`.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::{Place, SqlError};

/// Replaces the escape sequences in the string literals of a statement.
pub fn unescape(tokens: &mut [TokenWithSpan]) -> Result<(), SqlError> {
    for TokenWithSpan { token, span } in tokens {
        let (text, quote) = match token {
            Token::SingleQuotedString(text) => (text, Some('\'')),
            Token::DoubleQuotedString(text) => (text, Some('"')),
            Token::TripleSingleQuotedString(text) | Token::TripleDoubleQuotedString(text) => {
                (text, None)
            }
            _ => continue,
        };
        *text = unescaped(text, quote).map_err(|what| {
            SqlError::invalid(format!("Syntax error: {what}"), Place::from(*span))
        })?;
    }
    Ok(())
}

/// The text of a literal. `quote` cannot stand in it as it is.
fn unescaped(literal: &str, quote: Option<char>) -> Result<String, String> {
    let mut text = String::with_capacity(literal.len());
    let mut rest = literal.chars();
    while let Some(letter) = rest.next() {
        if Some(letter) == quote {
            let what =
                "concatenated string literals need to be separated by whitespace or comments";
            return Err(what.to_owned());
        }
        text.push(if letter == '\\' { escape(&mut rest)? } else { letter });
    }
    Ok(text)
}

/// The character of the sequence that follows a backslash.
fn escape(rest: &mut std::str::Chars<'_>) -> Result<char, String> {
    let kind = rest.next().ok_or("Illegal escape sequence: \\")?;
    let (radix, digits, first) = match kind {
        'a' => return Ok('\u{7}'),
        'b' => return Ok('\u{8}'),
        'f' => return Ok('\u{c}'),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'v' => return Ok('\u{b}'),
        '\\' | '?' | '"' | '\'' | '`' => return Ok(kind),
        '0'..='3' => (8, 2, kind.to_digit(8)),
        'x' | 'X' => (16, 2, None),
        'u' => (16, 4, None),
        'U' => (16, 8, None),
        _ => return Err(format!("Illegal escape sequence: \\{kind}")),
    };
    let illegal =
        || format!("Illegal escape sequence: \\{kind} must be followed by {digits} digits");
    let mut code = first.unwrap_or(0);
    for _ in 0..digits {
        let digit = rest.next().and_then(|digit| digit.to_digit(radix)).ok_or_else(illegal)?;
        code =
            code.checked_mul(radix).and_then(|code| code.checked_add(digit)).ok_or_else(illegal)?;
    }
    char::from_u32(code)
        .ok_or_else(|| format!("Illegal escape sequence: U+{code:X} is no character"))
}
