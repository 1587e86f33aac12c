//! The patterns of `matches`.

use super::*;
use crate::clock::computed;

#[test]
fn patterns_match_as_in_the_library() {
    let payload = r#"{"mail":"ann@example.com","n":7,"none":null,"list":["a1","b2"]}"#;
    for (text, expected) in [
        (r"payload.mail.matches('^[\\w.+-]+@[\\w-]+\\.[\\w.-]+$')", true),
        (r"matches(payload.mail, '^[^@]+@example[.]com$')", true),
        ("payload.mail.matches('@')", true),
        ("payload.mail.matches('^@')", false),
        ("payload.list.all(i, i.matches('^[a-z][0-9]$'))", true),
        ("payload.list.exists(i, i.matches('^b') && payload.mail.matches('^b'))", false),
        ("'literal'.matches('^lit') && payload.n == 7", true),
    ] {
        let expected = if expected { Evaluation::True } else { Evaluation::False };
        assert_eq!(of(text, payload), expected, "{text}");
    }
    assert_eq!(failure("payload.n.matches('a')", payload), "`matches` does not take int");
    assert_eq!(failure("matches(payload.none, 'a')", payload), "`matches` does not take null");
}

#[test]
fn a_pattern_that_is_wrong_large_or_no_text_is_refused() {
    for (text, expected) in [
        ("payload.a.matches('(')", "the pattern `(` of `matches` is wrong: unclosed group"),
        (
            "matches(payload.a, '[b-a]')",
            "the pattern `[b-a]` of `matches` is wrong: invalid character class range, the start must be <= the end",
        ),
        (
            "payload.a.matches('(?=a)')",
            "the pattern `(?=a)` of `matches` is wrong: look-around, including look-ahead and look-behind, is not supported",
        ),
        (
            r"payload.a.matches('(a)\\1')",
            "the pattern `(a)\\1` of `matches` is wrong: backreferences are not supported",
        ),
        (
            "payload.a.matches('(a{1000}){1000}')",
            "the pattern `(a{1000}){1000}` of `matches` is too large",
        ),
        (
            "payload.a.matches('((a{50}){50}){50}')",
            "the pattern `((a{50}){50}){50}` of `matches` is too large",
        ),
        (r"payload.a.matches('\\w{1000}')", r"the pattern `\w{1000}` of `matches` is too large"),
    ] {
        assert_eq!(mistake(text), expected, "{text}");
    }
    for text in [
        "payload.a.matches(payload.b)",
        "payload.a.matches('a' + 'b')",
        "payload.a.matches(5)",
        "payload.a.matches()",
        "matches(payload.a)",
        "payload.list.all(i, payload.a.matches(i))",
    ] {
        assert!(mistake(text).contains("has to be a text in the expression"), "{text}");
    }
    let many = |count: usize| {
        let calls = (0..count).map(|n| format!("payload.a.matches('{n}')")).collect::<Vec<_>>();
        calls.join(" || ")
    };
    assert!(compile(&many(16)).is_ok());
    assert_eq!(mistake(&many(17)), "it has 17 patterns of `matches`, the limit is 16");
    let same = vec!["payload.a.matches('a')"; 60].join(" || ");
    assert!(compile(&same).is_ok(), "one pattern counts once");
}

/// A search takes at most the product of both lengths, and that is what it pays.
#[test]
fn a_search_is_limited() {
    let text = "01".repeat(200_000);
    let payload = format!(r#"{{"text":"{text}","words":"{}"}}"#, "äö ".repeat(60_000));
    for (pattern, within) in [
        ("^[0-9]+$", true),
        ("[01]*1[01]{20}[ab]", false),
        ("[01]*1[01]{200}2", false),
        ("(x+x+)+y", true),
    ] {
        let answer = of(&format!("payload.text.matches('{pattern}') || true"), &payload);
        assert_eq!(answer, Evaluation::True, "what is true anyway is known");
        let answer = of(&format!("payload.text.matches('{pattern}')"), &payload);
        let used_up = answer == Evaluation::Failed(NotEvaluated::TooManySteps);
        assert_eq!(!used_up, within, "{pattern}: {answer:?}");
    }
    let loops = r"[1,2,3,4,5,6,7,8,9].all(i, payload.words.matches('^(\\b\\w+\\b\\s?)+$'))";
    let start = computed();
    of(loops, &payload);
    let took = computed() - start;
    assert!(took.as_secs() < 5, "{took:?}");
}
