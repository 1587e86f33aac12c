//! Texts that match a regular expression.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Characters that are chosen where the expression allows them, those that read best first.
const PREFERRED: [&str; 4] =
    ["abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "-_ .,:/@+#"];

/// How often a text is generated until it `fits`. Each repeats more than
/// the one before, up to a limit.
const ATTEMPTS: u32 = 500;

/// A text with a part that matches the expression, and that `fits`. `None` if the expression has
/// parts that cannot be generated, such as look-ahead, or if no attempt fits.
pub fn text(expression: &str, fits: &dyn Fn(&str) -> bool, rng: &mut StdRng) -> Option<String> {
    let parsed = regex_syntax::parse(expression).ok()?;
    (0..ATTEMPTS).find_map(|attempt| {
        let mut text = String::new();
        generate(&parsed, 2 + attempt % 64, rng, &mut text);
        fits(&text).then_some(text)
    })
}

/// Appends a match. What may repeat any number of times does so at most `more` times beyond the
/// least.
fn generate(expression: &Hir, more: u32, rng: &mut StdRng, text: &mut String) {
    match expression.kind() {
        // Where a text may begin or end follows from the rest, in nearly all expressions.
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(character(class, rng)),
        HirKind::Repetition(repetition) => {
            let least = repetition.min;
            let most = repetition.max.unwrap_or(u32::MAX).min(least.saturating_add(more));
            for _ in 0..rng.random_range(least..=most.max(least)) {
                generate(&repetition.sub, more, rng, text);
            }
        }
        HirKind::Capture(capture) => generate(&capture.sub, more, rng, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| generate(part, more, rng, text)),
        HirKind::Alternation(parts) => {
            if let Some(part) = parts.choose(rng) {
                generate(part, more, rng, text);
            }
        }
    }
}

/// A character of the class; `None` if the class is empty.
fn character(class: &Class, rng: &mut StdRng) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let ranges = class.ranges();
    let holds = |c: char| ranges.iter().any(|range| (range.start()..=range.end()).contains(&c));
    let kinds: Vec<Vec<char>> =
        PREFERRED.iter().map(|kind| kind.chars().filter(|c| holds(*c)).collect()).collect();
    let kinds: Vec<&Vec<char>> = kinds.iter().filter(|kind| !kind.is_empty()).collect();
    // Mostly letters and digits; the rest has its turn too.
    if let Some(kind) = kinds.choose(rng) {
        return kind.choose(rng).copied();
    }
    ranges.choose(rng).map(|range| range.start())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn texts_match_their_expression_and_its_lengths() {
        let mut rng = StdRng::seed_from_u64(3);
        for (expression, least, most) in [
            (r"^[A-Z]{3}-\d{4}$", 0, 100),
            (r"^ord_[0-9A-Za-z]{14}$", 0, 100),
            (r"^(EUR|USD|GBP)$", 3, 3),
            (r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$", 0, 100),
            (r"^\+?[1-9]\d{6,14}$", 0, 100),
            (r"^[a-z]+(-[a-z]+)*$", 30, 40),
            (r"^\p{Lu}", 0, 100),
            (r"x", 0, 100),
        ] {
            let schema = serde_json::json!({ "pattern": expression });
            let validator = jsonschema::validator_for(&schema).expect("compiles");
            let fits = |text: &str| (least..=most).contains(&text.chars().count());
            for _ in 0..50 {
                let text = text(expression, &fits, &mut rng).expect("a text");
                assert!(validator.is_valid(&serde_json::json!(text)), "{text:?} for {expression}");
                assert!(fits(&text), "{text:?} for {expression}");
            }
        }
        assert_eq!(text("^(?!a)b$", &|_| true, &mut rng), None);
        assert_eq!(text("^a$", &|text| text.len() > 1, &mut rng), None);
    }
}
