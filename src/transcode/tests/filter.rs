//! What `FILTER` leaves out, and what it refuses.

use serde_json::{Value, json};

use super::support::{COLUMN_RULES, NOW, load, plain_options};
use crate::config::{FilterOnError, FilterSettings, RowLayout};
use crate::contract::{Contract, Discriminator};
use crate::record::{Event, Position, Reason, Transcoded};
use crate::row::RowBuffer;
use crate::transcode::{Filter, Ingestion, Plan, PlanOptions};

/// Two event types; `Paid` has an amount, `Noted` has none.
fn contract() -> Contract {
    let payload = |properties: Value| json!({"type": "object", "properties": properties});
    let paid = payload(json!({
        "event_type": {"type": "string"},
        "amount": {"type": "number"},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
        "items": {"type": "array", "items": {"type": "object"}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {
            "price": {"type": "number"},
            "taxes": {"type": "array", "items": {"type": "object", "properties": {
                "rate": {"type": "number"}}}}}}},
        "open": {},
    }));
    let noted = payload(json!({"event_type": {"type": "string"}}));
    let discriminator = Discriminator::Payload(vec!["event_type".to_owned()]);
    load(&[("Paid", paid), ("Noted", noted)], &discriminator)
}

fn compiled(expression: &str, on_error: FilterOnError) -> Result<Filter, String> {
    let settings = FilterSettings { expression: expression.to_owned(), on_error };
    Filter::compile(&settings, &contract(), &["Ignored".to_owned()])
        .map_err(|error| error.to_string())
}

/// The plan with a filter.
fn plan(expression: &str, on_error: FilterOnError) -> Plan {
    let contract = contract();
    let ignore = vec!["Ignored".to_owned()];
    let table = contract.table_schema(RowLayout::Columns, &ignore, &COLUMN_RULES).expect("columns");
    let options = PlanOptions {
        ignore,
        filter: Some(compiled(expression, on_error).expect(expression)),
        ..plain_options(RowLayout::Columns)
    };
    Plan::compile(&contract, &table, options).expect("a plan")
}

/// What becomes of a value: `row`, the label under which it is ignored, or the reason's code.
fn outcome(plan: &mut Plan, value: Option<&str>) -> String {
    let event = Event { value: value.map(str::as_bytes), ..Event::unknown(Position::new(0, 1)) };
    let mut rows = RowBuffer::default();
    match plan.transcode(&event, Ingestion::at(NOW), &mut rows) {
        Transcoded::Row => "row".to_owned(),
        Transcoded::Ignored(label) => plan.ignored_labels()[label].clone(),
        Transcoded::Rejected(why) => {
            assert!(rows.is_empty());
            format!("{}: {}", why.reason.code(), why.detail)
        }
    }
}

fn paid(amount: &str) -> String {
    format!(r#"{{"event_type":"Paid","amount":{amount}}}"#)
}

#[test]
fn a_filter_decides_which_events_become_rows() {
    let mut plan = plan("event_type == 'Paid' && payload.amount > 5", FilterOnError::DeadLetter);
    for (value, expected) in [
        (Some(paid("6")), "row"),
        (Some(paid("5.5")), "row"),
        (Some(paid("5")), "filter"),
        (Some(r#"{"event_type":"Noted"}"#.to_owned()), "filter"),
        // What is left out is not checked against the contract.
        (Some(r#"{"event_type":"Paid","amount":1,"address":7}"#.to_owned()), "filter"),
        (Some(r#"{"event_type":"Ignored","amount":6}"#.to_owned()), "Ignored"),
        (None, "tombstone"),
    ] {
        assert_eq!(outcome(&mut plan, value.as_deref()), expected, "{value:?}");
    }
    for (value, reason) in [
        (paid("6,\"address\":7"), Reason::WrongType),
        (r#"{"event_type":"Other","amount":6}"#.to_owned(), Reason::UnknownEventType),
        (paid("1e400"), Reason::OutOfRange),
        (paid("6").replace('}', ""), Reason::InvalidJson),
        (paid("1").replace('}', ""), Reason::InvalidJson),
        (String::new(), Reason::Empty),
    ] {
        let outcome = outcome(&mut plan, Some(&value));
        assert!(outcome.starts_with(reason.code()), "{value}: {outcome}");
    }
    let deep = paid(&format!("6,\"open\":{}1{}", "[".repeat(200), "]".repeat(200)));
    assert!(outcome(&mut plan, Some(&deep)).starts_with("too_deep"));
    assert_eq!(
        outcome(&mut plan, Some(r#"{"event_type":"Paid","amount":9,"amount":1}"#)),
        "filter"
    );
    assert_eq!(outcome(&mut plan, Some(r#"{"event_type":"Paid","amount":1,"amount":9}"#)), "row");
}

#[test]
fn a_filter_without_an_answer_rejects_or_ignores() {
    for (value, detail) in [
        (paid("\"6\""), "`>` does not take string and int"),
        (paid("null"), "`>` does not take null and int"),
        (r#"{"event_type":"Noted"}"#.to_owned(), "there is no field `amount`"),
    ] {
        let mut rejecting = plan("payload.amount > 5", FilterOnError::DeadLetter);
        assert_eq!(
            outcome(&mut rejecting, Some(&value)),
            format!("filter_error: FILTER: {detail}")
        );
        let mut ignoring = plan("payload.amount > 5", FilterOnError::Ignore);
        assert_eq!(outcome(&mut ignoring, Some(&value)), "filter");
        // What is no JSON is never left out for that.
        let cut = outcome(&mut ignoring, Some(value.trim_end_matches('}')));
        assert!(cut.starts_with("invalid_json"), "{cut}");
    }
}

#[test]
fn a_field_that_no_event_type_declares_is_a_mistake() {
    let mistake =
        |expression: &str| compiled(expression, FilterOnError::DeadLetter).expect_err(expression);
    assert_eq!(
        mistake("payload.amonut > 5"),
        "no event type declares the field /amonut of the payload; did you mean `/amount`?"
    );
    assert_eq!(
        mistake("payload.address.town == 'a' || payload.amount.x == 1 || payload.zzz == 1"),
        "no event type declares the field /address/town of the payload\n\
         no event type declares the field /amount/x of the payload\n\
         no event type declares the field /zzz of the payload"
    );
    assert!(mistake("payload.items.first == 1").contains("/items/first"));
    assert_eq!(mistake("amount > 5").split(';').next(), Some("there is no variable `amount`"));
    for known in ["payload.address.city == 'a'", "payload.open.x.y == 1", "payload.items[0].x == 1"]
    {
        assert!(compiled(known, FilterOnError::DeadLetter).is_ok(), "{known}");
    }
}

#[test]
fn fields_of_items_are_known_too() {
    for (text, wrong) in [
        ("payload.lines[0].prise > 1", "/lines/*/prise"),
        ("payload.lines[size(payload.lines) - 1].prise > 1", "/lines/*/prise"),
        ("payload.lines.exists(i, i.prise > 1)", "/lines/*/prise"),
        ("payload.lines.all(i, has(i.prise))", "/lines/*/prise"),
        ("payload.lines.all(i, i.?prise.orValue(1) > 0)", "/lines/*/prise"),
        ("payload.lines.filter(i, i.price > 1).exists(j, j.prise > 1)", "/lines/*/prise"),
        (
            "payload.lines.filter(i, i.price > 1)[0].price > 1 && payload.lines.map(i, i.prise) != []",
            "/lines/*/prise",
        ),
        ("payload.?lines.orValue([]).exists(i, i.prise > 1)", "/lines/*/prise"),
        ("payload.lines.exists(i, i.taxes.exists(t, t.rat > 1.0))", "/lines/*/taxes/*/rat"),
        ("payload.lines.exists(i, i.taxes[0].rat > 1.0)", "/lines/*/taxes/*/rat"),
        ("payload.lines.exists(i, i.price.amount > 1)", "/lines/*/price/amount"),
        ("payload.address.exists(name, name == 'town') && payload.amount[0] > 1", "/amount/*"),
    ] {
        let mistake = compiled(text, FilterOnError::DeadLetter).expect_err(text);
        let expected = format!("no event type declares the field {wrong} of the payload");
        assert!(mistake.starts_with(&expected) && !mistake.contains('\n'), "{text}: {mistake}");
        let hint = mistake.contains("did you mean `/lines/*/price`?");
        assert_eq!(hint, wrong.ends_with("prise"), "{text}: {mistake}");
    }
    for text in [
        "payload.lines[0].price > 1",
        "payload.lines.exists(i, i.taxes.all(t, t.rate > i.price))",
        "payload.lines.map(i, i.price).exists(p, p > 1)",
        "payload.items.exists(i, i.anything > 1)",
        "[payload].exists(p, p.anything == 1)",
        "payload.address.exists(name, name == 'town')",
        "payload[event_type] == 1",
        "payload.lines.exists(payload, payload.price > 1)",
    ] {
        let found = compiled(text, FilterOnError::DeadLetter);
        assert!(found.is_ok(), "{text}: {found:?}");
    }
}

#[test]
fn an_event_type_that_is_not_there_is_a_mistake() {
    for (text, expected) in [
        ("event_type == 'Payd'", "there is no event type `Payd`; did you mean `Paid`?"),
        ("'Payd' != event_type", "there is no event type `Payd`; did you mean `Paid`?"),
        ("event_type in ['Paid', 'Zzz']", "there is no event type `Zzz`"),
        ("!(event_type in ['Notd'])", "there is no event type `Notd`; did you mean `Noted`?"),
        (
            "event_type == 'Ignored' || payload.amount > 5",
            "the event type `Ignored` is in IGNORE_EVENTS, so its events never get to the filter",
        ),
    ] {
        assert_eq!(compiled(text, FilterOnError::DeadLetter).expect_err(text), expected);
    }
    for text in [
        "event_type == 'Paid' || event_type in ['Noted']",
        "event_type.startsWith('Zzz')",
        "event_type == payload.open",
        "payload.open.exists(event_type, event_type == 'Zzz')",
        "key == 'Zzz'",
    ] {
        assert!(compiled(text, FilterOnError::DeadLetter).is_ok(), "{text}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let text = "payload.amonut > 5 && event_type == 'Payd' && payload.open.matches('(') && lowr(key) == 'a'";
    let mistakes = compiled(text, FilterOnError::DeadLetter).expect_err(text);
    assert_eq!(
        mistakes,
        "there is no function `lowr`\n\
         the pattern `(` of `matches` is wrong: unclosed group\n\
         no event type declares the field /amonut of the payload; did you mean `/amount`?\n\
         there is no event type `Payd`; did you mean `Paid`?"
    );
}

#[test]
fn fields_that_some_event_types_lack_are_told_unless_the_filter_asks() {
    let undeclared = |text: &str| {
        let filter = compiled(text, FilterOnError::DeadLetter).expect(text);
        let contract = contract();
        let found = filter.undeclared(&contract, &[]);
        found.into_iter().map(|(field, types)| format!("{field}: {}", types.join(" "))).collect()
    };
    let none: Vec<String> = Vec::new();
    for text in [
        "has(payload.amount) && payload.amount > 5",
        "payload.?amount.orValue(0) > 5",
        "payload[?'amount'].orValue(0) > 5",
        "payload.?address.?city.orValue('') == 'a'",
        "payload.?address.city.orValue('') == 'a'",
        "has(payload.address) && payload.address.city == 'a'",
        "payload.?lines.orValue([]).exists(i, i.price > 1)",
        "payload.event_type == 'a'",
    ] {
        assert_eq!(undeclared(text), none, "{text}");
    }
    for (text, field) in [
        ("payload.amount > 5", "/amount"),
        ("payload.amount > 5 || payload.amount < 1", "/amount"),
        ("has(payload.open) && payload.amount > 5", "/amount"),
        ("has(payload.address.city) && payload.address.city == 'a'", "/address/city"),
        ("payload.address.?city.orValue('') == 'a'", "/address/city"),
        ("payload.?amount.orValue(0) > 5 && payload.amount > 5", "/amount"),
    ] {
        let found: Vec<String> = undeclared(text);
        assert_eq!(found, [format!("{field}: Noted")], "{text}");
    }
}

#[test]
fn a_filter_that_takes_too_much_has_no_answer() {
    let list = vec!["1"; 400].join(",");
    let event = format!(r#"{{"event_type":"Paid","open":[{list}]}}"#);
    let text = "payload.open.all(a, payload.open.all(b, payload.open.all(c, c > 0)))";
    let detail = "filter_error: FILTER: it takes more than 10000000 steps";
    assert_eq!(outcome(&mut plan(text, FilterOnError::DeadLetter), Some(&event)), detail);
    assert_eq!(outcome(&mut plan(text, FilterOnError::Ignore), Some(&event)), "filter");
}
