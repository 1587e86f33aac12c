//! What is wrong with an expression whatever the event is.

use super::super::functions;
use super::*;

#[test]
fn mistakes_are_named() {
    for (text, expected) in [
        (
            "amount > 5",
            "there is no variable `amount`; there are payload, event_type, key, headers, timestamp",
        ),
        (
            "Payload.amount > 5",
            "there is no variable `Payload`; there are payload, event_type, key, headers, \
             timestamp; did you mean `payload`?",
        ),
        (
            "payload.items.all(x, y > 5)",
            "there is no variable `y`; there are payload, event_type, key, headers, timestamp",
        ),
        ("lowercase(payload.name) == 'a'", "there is no function `lowercase`"),
        (
            "payload.name.startswith('a')",
            "there is no function `startswith`; did you mean `startsWith`?",
        ),
        ("payload.name.contain('a')", "there is no function `contain`; did you mean `contains`?"),
        (
            "payload.items.any(i, i > 5) || zip(payload.a)",
            "there is no function `any`\nthere is no function `zip`",
        ),
        ("payload.items.all(i)", "it is written `list.all(item, condition)`"),
        ("has(payload)", "line 1, column 5: invalid argument to has() macro"),
        (" ", "it is empty"),
        (
            "a > 1 && b.c == 2 && zzz()",
            "there is no variable `a`; there are payload, event_type, key, headers, timestamp\nthere is no variable `b`; there are payload, event_type, key, headers, timestamp\nthere is no function `zzz`",
        ),
        ("payload.`a-b` == 1", "line 1, column 9: unsupported syntax: '`'"),
        (
            ".payload.a == 1",
            "there is no variable `.payload`; there are payload, event_type, key, headers, timestamp; did you mean `payload`?",
        ),
    ] {
        assert_eq!(mistake(text), expected, "{text}");
    }
    assert!(mistake("payload.amount >").starts_with("line 1, column "));
    assert!(mistake("payload.a\n && )").starts_with("line 2"), "{}", mistake("payload.a\n && )"));
    for text in ["has(payload)", "payload.a.map(1, 2)", "payload.a.exists(a.b, true)", "'", "\u{0}"]
    {
        assert!(!mistake(text).contains("line 0"), "{text}: {}", mistake(text));
    }
}

#[test]
fn the_list_of_functions_is_true() {
    for (name, how) in functions::ALL {
        let text = format!("[payload].exists(it, it.{name}())");
        let global = format!("[payload].exists(it, {name}(it))");
        let is_unknown = |text: &str| compile(text).is_err_and(|it| it.contains("no function"));
        match how {
            functions::Use::Plain => {
                assert!(!is_unknown(&text) || !is_unknown(&global), "{name}");
            }
            functions::Use::Macro(written) => {
                let call = written
                    .replace("list", "payload.list")
                    .replace("item, condition", "i, i > 1")
                    .replace("item, value", "i, i");
                let text = format!("{call} == payload.a");
                assert!(compile(&text).is_ok(), "{text}: {:?}", compile(&text));
            }
        }
    }
}

#[test]
fn what_is_never_a_bool_is_refused() {
    let number = "the result is a number, not a bool";
    let sum = "the result is the result of a calculation, not a bool";
    for (text, expected) in [
        ("5", number),
        ("1.5", number),
        ("'payload.a'", "the result is a string, not a bool"),
        ("b'a'", "the result is bytes, not a bool"),
        ("null", "the result is null, not a bool"),
        ("[payload.a]", "the result is a list, not a bool"),
        ("{'a': payload.a}", "the result is a map, not a bool"),
        ("payload", "the result is an object, not a bool"),
        ("event_type", "the result is a string, not a bool"),
        ("key", "the result is a string, bytes or null, not a bool"),
        ("headers", "the result is a map, not a bool"),
        ("headers.a", "the result is a string, bytes or null, not a bool"),
        ("headers['a']", "the result is a string, bytes or null, not a bool"),
        ("timestamp", "the result is a timestamp or null, not a bool"),
        ("int", "the result is a type, not a bool"),
        ("payload.a + payload.b", sum),
        ("-payload.a", sum),
        ("payload.a % 2", sum),
        ("size(payload.a)", number),
        ("payload.a.size()", number),
        ("int(payload.a)", number),
        ("string(payload.a)", "the result is a string, not a bool"),
        ("timestamp(payload.a)", "the result is a timestamp, not a bool"),
        ("duration(payload.a)", "the result is a duration, not a bool"),
        ("timestamp.getFullYear()", number),
        ("type(payload.a)", "the result is a type, not a bool"),
        ("payload.a.map(x, x)", "the result is a list, not a bool"),
        ("payload.a.filter(x, x > 1)", "the result is a list, not a bool"),
        ("payload.a ? 1 : 2", number),
        ("payload.a ? 1 : 'a'", "the result is no bool either way, not a bool"),
        ("dyn(5)", number),
        ("payload.?a", "the result is an optional value, not a bool: add `.orValue(false)`"),
        ("payload[?'a']", "the result is an optional value, not a bool: add `.orValue(false)`"),
        ("payload.?a.b", "the result is an optional value, not a bool: add `.orValue(false)`"),
        ("payload.a && 5", "what `&&` takes is a number, not a bool"),
        ("payload.a || 'b'", "what `||` takes is a string, not a bool"),
        ("!size(payload.a)", "what `!` takes is a number, not a bool"),
        (
            "payload.?a || payload.b",
            "what `||` takes is an optional value, not a bool: add `.orValue(false)`",
        ),
        ("size(payload.a) ? payload.b : payload.c", "what `?` takes is a number, not a bool"),
        (
            "payload.a.all(x, x + 1)",
            "the condition of a loop is the result of a calculation, not a bool",
        ),
        ("payload.a.exists_one(x, 'a')", "the condition of a loop is a string, not a bool"),
        ("payload.a.filter(x, size(x)) == []", "the condition of a loop is a number, not a bool"),
        ("X{a: 1} == payload.a", "there are no types to make values of, such as `X`"),
    ] {
        assert_eq!(mistake(text), expected, "{text}");
    }
    for text in [
        "payload.a",
        "payload.a.b['c'][0]",
        "!payload.a && payload.b",
        "payload.a ? payload.b : false",
        "payload.?a.orValue(false)",
        "payload.?a.hasValue()",
        "payload.a.exists(x, x)",
        "payload.a.exists(payload, payload.b)",
        "bool(payload.a)",
        "dyn(payload.a)",
        "has(payload.a)",
    ] {
        assert!(compile(text).is_ok(), "{text}: {:?}", compile(text));
    }
}

#[test]
fn what_is_the_same_for_every_event_is_refused() {
    for text in ["true", "false", "1 < 2", "[1, 2].all(x, x > 0)", "size('a') == 1", "!false"] {
        assert_eq!(
            mistake(text),
            "it is the same for every event: it reads none of payload, event_type, key, headers, \
             timestamp",
            "{text}"
        );
    }
}

#[test]
fn a_literal_that_a_function_does_not_take_is_refused() {
    for (text, expected) in [
        (
            "timestamp > timestamp('2026-01-01')",
            "`timestamp(\"2026-01-01\")` has no value; a timestamp is \"2026-01-31T12:00:00Z\"",
        ),
        (
            "timestamp - timestamp < duration('x')",
            "`duration(\"x\")` has no value; a duration is \"1h30m\"",
        ),
        ("payload.a == int('a')", "`int(\"a\")` has no value"),
        ("payload.a == uint(-1)", "`uint(-1)` has no value"),
        ("payload.a == double('a')", "`double(\"a\")` has no value"),
        ("payload.a == bool('yes')", "`bool(\"yes\")` has no value"),
        ("payload.a == 1 / 0", "`1 / 0` has no value"),
        ("payload.a > 5 + 'a'", "`5 + \"a\"` has no value"),
        ("payload.a || 5 < 'a'", "`5 < \"a\"` has no value"),
        ("payload.a == 'abc'.startsWith(1)", "`\"abc\".startsWith(1)` has no value"),
        (
            "payload.a == timestamp('2026-01-01T00:00:00Z').getHours('Nowhere')",
            "`timestamp(\"2026-01-01T00:00:00Z\").getHours(\"Nowhere\")` has no value",
        ),
        ("payload.a.all(x, x == int('a'))", "`int(\"a\")` has no value"),
        (
            "[int('a'), int('b')] == payload.a",
            "`int(\"a\")` has no value\n`int(\"b\")` has no value",
        ),
    ] {
        assert_eq!(mistake(text), expected, "{text}");
    }
}

#[test]
fn an_optional_value_is_not_compared() {
    for (text, operation) in [
        ("payload.?a == 'x'", "=="),
        ("'x' != payload.?a", "!="),
        ("payload.?a.b == payload.c", "=="),
        ("payload[?'a'] > 5", ">"),
        ("payload.?a in [1, 2]", "in"),
        ("payload.?a + 1 == 2", "+"),
        ("payload.items.all(i, i.?a == 1)", "=="),
        ("payload.?a.startsWith('x')", "startsWith"),
        ("size(payload.?a) == 1", "size"),
        ("int(payload.?a) == 1", "int"),
    ] {
        let expected = format!(
            "`{operation}` has an optional value (`.?a`) and another: say what counts where it is \
             missing, `payload.?a.orValue(0)`"
        );
        assert_eq!(mistake(text), expected, "{text}");
    }
    for text in [
        "payload.?a.orValue('') == 'x'",
        "payload.?a.?b.orValue('') == 'x'",
        "payload.?a == optional.of('x')",
        "payload.?a != optional.none()",
        "payload.?a.or(payload.?b).orValue(1) > 0",
        "payload.?a.value() == 1",
        "payload.?a[0].orValue(0) == 1",
    ] {
        assert!(compile(text).is_ok(), "{text}: {:?}", compile(text));
    }
}

#[test]
fn operators_and_types_have_the_names_that_users_know() {
    let payload = r#"{"text":"a","n":1,"d":1.5,"list":[1],"map":{"a":1},"none":null}"#;
    for (text, expected) in [
        ("payload.text * 2 == 1", "`*` does not take string and int"),
        ("payload.n / payload.d == 1.0", "`/` does not take int and double"),
        ("payload.n + payload.text == ''", "`+` does not take int and string"),
        ("payload.text - payload.n == 1", "`-` does not take string and int"),
        ("payload.d % 2.0 == 1.0", "`%` does not take double and double"),
        ("payload.n in payload.n", "`in` does not take int and int"),
        ("-payload.text == ''", "`-` does not take string"),
        ("!payload.n", "`!` does not take int"),
        ("payload.n && true", "`&&` does not take int and bool"),
        ("payload.none > 1", "`>` does not take null and int"),
        ("timestamp > 5", "`>` does not take timestamp and int"),
        ("timestamp - timestamp > 5", "`>` does not take duration and int"),
        ("payload.n.all(x, x > 1)", "a loop such as `all` goes over a list or a map, not int"),
        ("payload.text[0] == 'a'", "`[]` does not take string and int"),
        ("payload.list['a'] == 1", "`[]` does not take list and string"),
        ("payload.list[1.5] == 1", "`[]` does not take list and double"),
        ("size(payload.n) == 1", "`size` does not take int"),
        ("int(payload.text) == 1", "`int` does not take the value that it is given"),
        (
            "duration(payload.text) == duration('1s')",
            "`duration` does not take the value that it is given",
        ),
        ("payload.?x.value() == 1", "`value` does not take the value that it is given"),
        ("{payload.d: 1} == {}", "`{}` does not take double"),
    ] {
        assert_eq!(failure(text, payload), expected, "{text}");
    }
}

proptest! {
    /// Whatever the expression does with a secret, what it says does not have it.
    #[test]
    fn no_message_has_a_value_of_the_record(
        secret in "[a-z]{6,12}",
        (before, after) in prop_oneof![
            Just(("payload[payload.secret]", " == 1")),
            Just(("payload.map[payload.secret]", " == 1")),
            Just(("{'a': 1}[payload.secret]", " == 1")),
            Just(("headers[payload.secret]", " == ''")),
            Just(("int(payload.secret)", " == 1")),
            Just(("timestamp(payload.secret)", " > timestamp")),
            Just(("duration(payload.secret)", " > duration('1s')")),
            Just(("timestamp('2026-01-01T00:00:00Z').getHours(payload.secret)", " == 1")),
            Just(("payload.secret > 5", "")),
            Just(("payload.secret + 5", " == 1")),
            Just(("payload.secret.x", " == 1")),
            Just(("payload.list[payload.secret]", " == 1")),
            Just(("[payload.secret] < 5", "")),
            Just(("payload.secret in payload.secret", "")),
            Just(("{payload.secret: 1, payload.secret: 2}", " == {}")),
            Just(("payload.secret", "")),
            Just(("payload.secret ? true : false", "")),
            Just(("payload.map.all(k, payload.secret)", "")),
        ],
        metered in any::<bool>(),
    ) {
        // The secret is a part of the text, too, in a comparison that says nothing of it.
        let text = format!("({before}{after}) && key != 'xx{secret}xx' && key != '{secret}'");
        let payload = format!(r#"{{"secret":"{secret}","map":{{"a":1}},"list":[1]}}"#);
        let event = Event::unknown(Position::new(0, 0));
        let subject = Subject { event: &event, payload: payload.as_bytes(), event_type: "" };
        let compiled = compile(&text).unwrap();
        match compiled.evaluate(&subject, metered) {
            Evaluation::Failed(why) => prop_assert!(!why.to_string().contains(&secret), "{text}: {why}"),
            other => prop_assert!(false, "{text}: {other:?}"),
        }
    }
}
