//! What expressions say of records, and what they refuse.

mod limits;
mod mistakes;
mod patterns;

use std::fmt::Write;

use proptest::prelude::*;

use super::error::LONGEST;
use super::*;
use crate::record::{Event, NoHeaders, Position};

/// The expression, or all that is wrong with the text.
fn compile(text: &str) -> Result<Expression, String> {
    let parsed = Parsed::of(text).map_err(|problem| problem.to_string())?;
    parsed.compile().map_err(|problems| {
        problems.iter().map(ExpressionError::to_string).collect::<Vec<_>>().join("\n")
    })
}

/// What an expression says of a payload.
fn of(text: &str, payload: &str) -> Evaluation {
    let headers: Vec<(String, Option<Vec<u8>>)> = vec![
        ("source".to_owned(), Some(b"app".to_vec())),
        ("source".to_owned(), Some(b"web".to_vec())),
        ("empty".to_owned(), None),
        ("raw".to_owned(), Some(vec![0xff])),
    ];
    let event = Event {
        timestamp_ms: Some(1_794_000_000_000),
        key: Some(b"key-1"),
        headers: &headers,
        ..Event::unknown(Position::new(0, 7))
    };
    let subject = Subject { event: &event, payload: payload.as_bytes(), event_type: "Paid" };
    compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).is_true(&subject)
}

fn failure(text: &str, payload: &str) -> String {
    match of(text, payload) {
        Evaluation::Failed(why) => why.to_string(),
        other => panic!("{text} of {payload}: {other:?}"),
    }
}

fn mistake(text: &str) -> String {
    compile(text).map(|_| ()).expect_err(text)
}

#[test]
fn every_variable_can_be_asked() {
    for text in [
        "payload.amount > 5",
        "payload['amount'] == 6.0",
        "payload.?missing.orValue(3) == 3",
        "has(payload.amount) && !has(payload.missing)",
        "payload.items.all(item, item.price >= 1)",
        "payload.items.exists(item, item.price == 2 && item.price < payload.amount)",
        "payload.items[1].price == 2",
        "payload.name.startsWith('a') && payload.name.matches('^a.c$')",
        "payload.nothing == null",
        "size(payload.items) == 2 && 'amount' in payload",
        "type(payload.amount) == int",
        "event_type == 'Paid'",
        "event_type in ['Paid', 'Refunded']",
        "key == 'key-1'",
        "headers.source == 'web' && headers['empty'] == null",
        "headers.raw == b'\\xff'",
        "timestamp > timestamp('2026-01-01T00:00:00Z') && timestamp.getFullYear('UTC') == 2026",
        "payload.amount > 100 ? false : true",
        "optional.of(payload.amount).hasValue()",
    ] {
        let payload =
            r#"{"amount":6,"items":[{"price":1},{"price":2}],"name":"abc","nothing":null}"#;
        assert_eq!(of(text, payload), Evaluation::True, "{text}");
    }
}

#[test]
fn what_a_record_lacks_is_null() {
    let event = Event { headers: &NoHeaders, ..Event::unknown(Position::new(0, 0)) };
    let subject = Subject { event: &event, payload: b"{}", event_type: "" };
    let text = "key == null && timestamp == null && size(headers) == 0";
    assert_eq!(compile(text).unwrap().is_true(&subject), Evaluation::True);
}

#[test]
fn length_and_depth_are_limited() {
    let long = format!("payload.a == '{}'", "x".repeat(LONGEST));
    assert_eq!(mistake(&long), "it has 4111 bytes, the limit is 4096");
    for (open, close) in [("[", "]"), ("f(", ")"), ("{1:", "}"), ("a[", "]"), ("true ? ", " : 1")] {
        let nested = format!("{}1{}", open.repeat(200), close.repeat(200));
        let refused = matches!(Parsed::of(&nested), Err(ExpressionError::Syntax(_)));
        assert!(refused, "{open}");
    }
    // Chains have levels too, and none is deeper than a thread's stack.
    for (open, close, fits) in [
        ("1 + ", "", 60),
        ("1 == ", "", 60),
        ("payload.a || payload.b && ", "", 60),
        ("payload.a ? 1 : ", "", 60),
        ("", ".a", 100),
        ("", "[0]", 100),
        ("", ".size()", 100),
        ("(", ")", 1_000),
        ("-", "", 1_000),
    ] {
        for count in [fits, (LONGEST - 17) / (open.len() + close.len())] {
            let chain = format!("dyn({}payload.c{})==1", open.repeat(count), close.repeat(count));
            match Parsed::of(&chain).map(Parsed::compile) {
                Ok(Ok(compiled)) => {
                    let event = Event::unknown(Position::new(0, 0));
                    let subject = Subject { event: &event, payload: b"{}", event_type: "" };
                    compiled.evaluate(&subject, false);
                    compiled.evaluate(&subject, true);
                }
                Ok(Err(problems)) => panic!("{open}…{close} {count}: {problems:?}"),
                Err(error) => {
                    assert!(count > fits, "{open}…{close} {count}: {error}");
                    assert!(matches!(
                        error,
                        ExpressionError::TooDeep(_) | ExpressionError::Syntax(_)
                    ));
                }
            }
        }
    }
}

#[test]
fn failures_say_why_and_never_show_a_value() {
    let payload = r#"{"amount":"hunter2","list":[1],"map":{"hunter2":1},"n":1}"#;
    for (text, expected) in [
        ("payload.missing > 5", "there is no field `missing`"),
        ("payload.amount > 5", "`>` does not take string and int"),
        ("payload.amount.x == 5", "a value that is no object has no fields"),
        ("payload.list[5] == 1", "a list has no item at an index"),
        ("payload.n / 0 == 1", "division by zero"),
        ("9223372036854775807 + payload.n > 0", "a number is too large to calculate with"),
        ("payload.n", "the result is int, not a bool"),
        ("payload.n ? true : false", "a condition is int, not a bool"),
        ("headers[payload.amount] == ''", "there is no such field"),
        ("payload.map[payload.map] == 1", "`[]` does not take map and map"),
        ("int(payload.amount) == 1", "`int` does not take the value that it is given"),
        ("payload.n.matches('a')", "`matches` does not take int"),
    ] {
        let found = failure(text, payload);
        assert!(!found.contains("hunter2"), "{text}: {found}");
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn what_is_not_json_is_not_judged() {
    for payload in ["", "{", r#"{"amount":6"#, r#"{"amount":6}x"#, "NaN", r#"{"amount":6,"b":nul}"#]
    {
        assert_eq!(of("payload.amount > 5", payload), Evaluation::Unreadable, "{payload}");
        let unread = of("event_type == 'Paid'", payload);
        assert_eq!(unread, Evaluation::True, "what is not read is not judged");
    }
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(127), "]".repeat(127));
    assert_eq!(of("payload.a == 1", &deep), Evaluation::Unreadable);
    let far = format!(r#"{{"a":{}1{}}}"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
    let far = of("payload.a == 1", &far);
    assert_eq!(far, Evaluation::Failed(NotEvaluated::TooManySteps));
}

#[test]
fn only_what_is_named_is_read() {
    let fields = |text: &str| -> Vec<String> {
        let compiled = compile(text).unwrap();
        let mut fields: Vec<String> =
            compiled.fields().iter().map(|read| read.field.to_string()).collect();
        fields.dedup();
        fields
    };
    assert_eq!(
        fields("payload.a.b > 1 && has(payload.a.c) && payload['d'] == 1"),
        ["/a/b", "/a/c", "/d"]
    );
    assert_eq!(fields("payload.a.b > 1 && size(payload.a) > 0"), ["/a", "/a/b"]);
    assert_eq!(fields("payload.items.all(payload, payload.x > 1)"), ["/items", "/items/*/x"]);
    assert_eq!(
        fields("payload.items.map(x, x.y).size() > payload.?z.orValue(1)"),
        ["/items", "/items/*/y", "/z"]
    );
    assert_eq!(fields("payload[key] == 1"), ["/*"]);
    assert_eq!(fields("event_type == 'a'"), Vec::<String>::new());
    // The last of two equal keys counts, and keys may be written with escapes.
    assert_eq!(of("payload.a == 2", r#"{"a":1,"\u0061":2,"b":{"a":3}}"#), Evaluation::True);
    assert_eq!(of("payload.a == 'ä\n'", r#"{"a":"\u00e4\n"}"#), Evaluation::True);
}

/// JSON text that two filters are to share out between them.
fn amounts() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("5".to_owned()),
        Just("5.0".to_owned()),
        Just("5e0".to_owned()),
        Just("9223372036854775808".to_owned()),
        Just("-9223372036854775809".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("1e400".to_owned()),
        Just("-1e400".to_owned()),
        Just("5.0000000000000000000001".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        (-10i64..10).prop_map(|number| number.to_string()),
    ];
    let other = prop_oneof![
        Just("\"6\"".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("[6]".to_owned()),
        Just("{}".to_owned()),
    ];
    prop_oneof![4 => number, 1 => other]
}

proptest! {
    #[test]
    fn a_condition_and_its_opposite_share_out_every_event(
        amount in prop::option::of(amounts()),
        (above, below) in prop_oneof![
            Just(("payload.amount > 5", "payload.amount <= 5")),
            Just(("payload.amount >= 5.0", "payload.amount < 5.0")),
            Just(("payload.amount > 5u", "payload.amount <= 5u")),
            Just(("payload.amount == 5", "payload.amount != 5")),
        ],
    ) {
        let mut payload = "{\"a\":1".to_owned();
        if let Some(amount) = &amount {
            write!(payload, ",\"amount\":{amount}").unwrap();
        }
        payload.push('}');
        match (of(above, &payload), of(below, &payload)) {
            (Evaluation::True, Evaluation::False) | (Evaluation::False, Evaluation::True) => {}
            (Evaluation::Failed(a), Evaluation::Failed(b)) => {
                let is_number = amount.is_some_and(|it| it.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
                prop_assert!(!is_number, "{payload}: {a}");
                prop_assert_eq!(a.to_string().replace("`>`", "").replace("`>=`", ""),
                    b.to_string().replace("`<=`", "").replace("`<`", ""));
            }
            other => prop_assert!(false, "{payload}: {other:?}"),
        }
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9 .()\\[\\]{}?:!&|<>=+*/'\",-]{0,60}", payload in "\\PC{0,20}") {
        if let Ok(compiled) = compile(&text) {
            let event = Event::unknown(Position::new(0, 0));
            compiled.is_true(&Subject { event: &event, payload: payload.as_bytes(), event_type: "" });
        }
    }

    #[test]
    fn what_is_read_is_what_the_text_says(json in any_json()) {
        let text = json.to_string();
        // Both sides by the same reader, through a list so that nothing is left out.
        let wrapped = format!("{{\"a\":[{text}],\"b\":[{text}],\"c\":{text}}}");
        prop_assert_eq!(of("payload.a == payload.b && payload.a[0] == payload.c", &wrapped), Evaluation::True);
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}
