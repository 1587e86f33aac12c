//! No evaluation takes long or much memory, whatever the expression and the payload are.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::error::{MOST_BYTES, MOST_STEPS};
use super::*;

/// The most that an evaluation may take in a test, which is built without most optimisations and
/// shares its processor.
const LONGEST_TIME: Duration = Duration::from_secs(5);

fn timely(text: &str, payload: &str) -> Evaluation {
    let start = Instant::now();
    let answer = of(text, payload);
    let took = start.elapsed();
    let shown: String = text.chars().take(200).collect();
    assert!(took < LONGEST_TIME, "{shown}: {took:?}");
    answer
}

/// `from.all(x0, of(x0).all(x1, …))`.
fn nested(count: usize, from: &str, of: impl Fn(usize) -> String, within: &str) -> String {
    let mut text = String::new();
    for loops in 0..count {
        let range = if loops == 0 { from.to_owned() } else { of(loops - 1) };
        write!(text, "{range}.all(x{loops}, ").unwrap();
    }
    format!("{text}{within}{}", ")".repeat(count))
}

fn numbers(count: usize) -> String {
    (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

fn used_up(evaluation: &Evaluation) -> bool {
    matches!(
        evaluation,
        Evaluation::Failed(NotEvaluated::TooManySteps | NotEvaluated::TooManyBytes)
    )
}

#[test]
fn loops_end() {
    let payload = format!(r#"{{"list":[{}]}}"#, numbers(300));
    for text in [
        nested(3, "payload.list", |_| "payload.list".to_owned(), "true"),
        nested(3, "payload.list", |_| "payload.list".to_owned(), "payload.missing > 5"),
        nested(8, "[0,1,2,3,4,5,6,7,8,9]", |_| "[0,1,2,3,4,5,6,7,8,9]".to_owned(), "key != 'a'"),
        "payload.list.exists(a, payload.list.exists(b, payload.list.exists(c, false)))".to_owned(),
        "payload.list.exists_one(a, payload.list.exists_one(b, payload.list.exists_one(c, true)))"
            .to_owned(),
        "payload.list.map(a, payload.list.map(b, payload.list.map(c, c))).size() > 0".to_owned(),
        "payload.list.filter(a, payload.list.filter(b, payload.list.filter(c, true) != []) != []) \
         != []"
            .to_owned(),
        "payload.list.all(a, payload.list.all(b, payload.list.all(c, {'a': a} == {'a': a})))"
            .to_owned(),
    ] {
        let answer = timely(&text, &payload);
        assert!(used_up(&answer), "{text}: {answer:?}");
    }
    // What is already known stays known.
    let text =
        format!("true || {}", nested(3, "payload.list", |_| "payload.list".to_owned(), "true"));
    assert_eq!(timely(&text, &payload), Evaluation::True);
}

#[test]
fn what_grows_is_limited() {
    let long = format!(
        r#"{{"list":[{}],"text":"{}","secret":"\n{}","map":{{"\n{}":1}}}}"#,
        numbers(20_000),
        "a".repeat(200_000),
        "s".repeat(200_000),
        "k".repeat(200_000),
    );
    let twice = |loops: usize| format!("[x{loops} + x{loops}]");
    for (text, within) in [
        (nested(8, "[payload.text]", twice, "true"), false),
        (nested(8, "[payload.secret]", twice, "true"), false),
        (nested(8, "[payload.list]", twice, "true"), false),
        (nested(8, "[bytes(payload.text)]", twice, "true"), false),
        // Copies of one string share it.
        ("payload.list.map(a, payload.secret).size() > 0".to_owned(), true),
        ("payload.list.map(a, [payload.secret, payload.list]).size() > 0".to_owned(), true),
        ("payload.list.map(a, payload.secret + 'x').size() > 0".to_owned(), false),
        ("payload.list.map(a, string(bytes(payload.text))).size() > 0".to_owned(), false),
        (format!("payload.list.map(a, '{}').size() > 0", "x".repeat(3_000)), false),
        ("payload.list.all(a, payload.map.all(k, k.size() > 0))".to_owned(), false),
        ("payload.map.all(k, payload.list.map(a, k).size() > 0)".to_owned(), true),
        ("payload.map.map(k, payload.list.map(a, [k, k])).size() > 0".to_owned(), true),
        ("payload.map.filter(k, true)[0].size() > 1".to_owned(), true),
        ("payload.list.all(a, payload.text < payload.secret || true)".to_owned(), false),
        ("payload.list.all(a, payload.text > 5 || true)".to_owned(), false),
        ("payload.list.all(a, 5 > payload.list || true)".to_owned(), false),
        ("payload.list.all(a, payload.list == payload.list)".to_owned(), false),
        ("payload.list.all(a, !(-1 in payload.list))".to_owned(), false),
        // A number that is compared with something else copies that into an error.
        ("payload.list.all(a, a != payload.list)".to_owned(), false),
        ("payload.list.all(a, a != payload.text)".to_owned(), false),
        ("payload.list.all(a, 5 != payload.list)".to_owned(), false),
        ("!(payload.list in payload.list)".to_owned(), false),
        ("!(payload.text in payload.list)".to_owned(), false),
        ("payload.list.all(a, !(payload.list in [1, 2]))".to_owned(), false),
        ("payload.list.all(a, payload.text != 5)".to_owned(), true),
        ("payload.list.all(a, 'b' != payload.text)".to_owned(), true),
        ("payload.list.all(a, payload.list[0.5] == 1 || true)".to_owned(), false),
        ("payload.list.all(a, payload.map[payload.text] == 1 || true)".to_owned(), false),
        ("payload.list.all(a, !payload.text.contains('aaab'))".to_owned(), false),
        ("payload.list.all(a, size(payload.text) > 0)".to_owned(), false),
        ("payload.list.all(a, int(payload.text) == 1 || true)".to_owned(), false),
        ("payload.list.all(a, duration(payload.text) == duration('1s') || true)".to_owned(), false),
        ("payload.list.all(a, a >= 0)".to_owned(), true),
    ] {
        let answer = timely(&text, &long);
        assert_eq!(!used_up(&answer), within, "{text}: {answer:?}");
    }
    // Without loops, too.
    let copies = |of: &str, by: &str| vec![of; 120].join(by);
    for text in [
        format!("size({}) > 0", copies("payload.text", " + ")),
        format!("({}) != []", copies("payload.list", " + ")),
        format!("1 < {}", copies("payload.list", " || 1 < ")),
    ] {
        assert!(used_up(&timely(&text, &long)), "{text}");
    }
    let text = format!("[{}].size() == 120", copies("payload.list", ","));
    assert_eq!(timely(&text, &long), Evaluation::True);
}

/// Lists of lists that share their items are small, and endless for who reads them.
#[test]
fn shared_values_are_not_read_forever() {
    let folded =
        (0..50).fold("[[event_type]]".to_owned(), |of, n| format!("{of}.map(x{n},[x{n},x{n}])"));
    for text in [
        format!("{folded} == {folded}"),
        format!("{folded} in [{folded}]"),
        format!("1 < {folded}"),
        format!("{folded} + 1 == 1"),
        format!("{{{folded}: 1}} == {{}}"),
    ] {
        assert!(used_up(&timely(&text, "{}")), "{text}");
    }
    assert_eq!(timely(&format!("{folded}.size() == 1"), "{}"), Evaluation::True);
}

#[test]
fn what_is_read_of_a_payload_is_limited() {
    for (item, within) in [
        ("1", false),
        ("[]", false),
        ("{}", false),
        (r#"{"a":1}"#, false),
        (r#"{"sku":"abc-def-123","price":12.5,"quantity":3,"name":"a name of something"}"#, true),
    ] {
        let list = vec![item; (1 << 20) / (item.len() + 1)].join(",");
        let answer = timely("payload.list.size() > 0", &format!(r#"{{"list":[{list}]}}"#));
        assert_eq!(!used_up(&answer), within, "{item}: {answer:?}");
        // What is not read costs nothing.
        let payload = format!(r#"{{"list":[{list}],"a":1}}"#);
        assert_eq!(timely("payload.a == 1", &payload), Evaluation::True);
    }
    let list = vec!["1"; 200_000].join(",");
    let deep = format!(r#"{{"a":{}{list}{}}}"#, "[".repeat(120), "]".repeat(120));
    assert!(used_up(&timely("payload.a.size() > 0", &deep)));
}

#[test]
fn what_filters_do_is_within_the_limits() {
    let item = r#"{"sku":"abc-def-123","price":12.5,"quantity":3,"tags":["red","green","blue"]}"#;
    let payload = format!(r#"{{"items":[{}],"skus":["a","b"]}}"#, vec![item; 1_000].join(","));
    for text in [
        "payload.items.all(i, i.price > 10.0 && i.quantity >= 1 && i.sku.startsWith('abc'))",
        "payload.items.exists(i, i.tags.exists(t, t == 'blue'))",
        "payload.items.all(i, i.tags.all(t, t in ['red', 'green', 'blue']))",
        "payload.items.filter(i, i.price > 10.0).size() == 1000",
        "payload.items.map(i, i.price * double(i.quantity)).all(p, p > 1.0)",
        "payload.items.all(i, !(i.sku in payload.skus))",
        "payload.items.all(i, size(payload.items) == 1000)",
    ] {
        assert_eq!(timely(text, &payload), Evaluation::True, "{text}");
    }
}

#[test]
fn the_messages_say_the_limit() {
    let steps = format!("it takes more than {MOST_STEPS} steps");
    assert_eq!(NotEvaluated::TooManySteps.to_string(), steps);
    let bytes = format!("it builds more than {MOST_BYTES} bytes");
    assert_eq!(NotEvaluated::TooManyBytes.to_string(), bytes);
    let nine = nested(9, "[1]", |_| "[1]".to_owned(), "payload.a");
    assert_eq!(mistake(&nine), "it has 9 loops in one another, the limit is 8");
    let after = (0..20).fold("payload.a".to_owned(), |of, _| format!("{of}.map(x, x)"));
    assert!(compile(&format!("{after} == []")).is_ok());
}

/// An expression of loops, sums, comparisons and functions over the variables `x` and `y`.
fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("x".to_owned()),
        Just("y".to_owned()),
        Just("payload.list".to_owned()),
        Just("payload.text".to_owned()),
        Just("payload.items".to_owned()),
        Just("payload".to_owned()),
        Just("'abc'".to_owned()),
        Just("[1, 2, 3]".to_owned()),
        Just("5".to_owned()),
    ];
    leaf.prop_recursive(7, 48, 3, |inner| {
        let pair = || (inner.clone(), inner.clone());
        prop_oneof![
            pair().prop_map(|(a, b)| format!("({a} + {b})")),
            pair().prop_map(|(a, b)| format!("({a} == {b} || true)")),
            pair().prop_map(|(a, b)| format!("({a} < {b} || true)")),
            pair().prop_map(|(a, b)| format!("({a} in {b} || true)")),
            pair().prop_map(|(a, b)| format!("[{a}, {b}]")),
            pair().prop_map(|(a, b)| format!("{{'a': {a}, 'b': {b}}}")),
            pair().prop_map(|(a, b)| format!("(has({a}.a) ? {b} : {a})")),
            pair().prop_map(|(a, b)| format!("{a}[?{b}].orValue({b})")),
            pair().prop_map(|(a, b)| format!("{a}.map(x, {b})")),
            pair().prop_map(|(a, b)| format!("{a}.map(y, {b})")),
            pair().prop_map(|(a, b)| format!("{a}.filter(x, {b} == {b})")),
            pair().prop_map(|(a, b)| format!("{a}.all(x, {b} == {b} || true)")),
            pair().prop_map(|(a, b)| format!("{a}.exists(y, {b} != {b} && x == y)")),
            pair().prop_map(|(a, b)| format!("{a}.exists_one(y, {b} != y)")),
            inner.clone().prop_map(|a| format!("size({a})")),
            inner.clone().prop_map(|a| format!("string({a})")),
            inner.clone().prop_map(|a| format!("bytes({a})")),
        ]
    })
}

fn any_payload() -> impl Strategy<Value = String> {
    let text =
        prop_oneof![Just("ab".to_owned()), Just("\\n".repeat(50_000)), Just("a".repeat(90_000))];
    (0usize..3_000, text, 0usize..300).prop_map(|(list, text, items)| {
        let item = r#"{"a":1,"b":[1,2]}"#;
        let items = vec![item; items].join(",");
        format!(r#"{{"list":[{}],"text":"{text}","items":[{items}]}}"#, numbers(list))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn every_evaluation_ends(text in any_expression(), payload in any_payload()) {
        let text = format!("[payload.list].all(x, [payload].all(y, [{text}] != []))");
        if compile(&text).is_ok() {
            timely(&text, &payload);
        }
    }

    #[test]
    fn an_evaluation_that_pays_has_the_same_answer(
        text in any_expression(),
        list in 0usize..4,
        items in 0usize..3,
    ) {
        let text = format!("[payload.list].all(x, [payload.text].all(y, {text} != 5))");
        let items = vec![r#"{"a":1,"b":[1,2]}"#; items].join(",");
        let payload = format!(r#"{{"list":[{}],"text":"\n","items":[{items}]}}"#, numbers(list));
        if let Ok(compiled) = compile(&text) {
            let event = Event::unknown(Position::new(0, 0));
            let subject = Subject { event: &event, payload: payload.as_bytes(), event_type: "" };
            let paid = compiled.evaluate(&subject, true);
            if !used_up(&paid) {
                prop_assert_eq!(paid, compiled.evaluate(&subject, false));
            }
        }
    }
}
