//! Single inputs and their outcomes. docs/reference/outcomes.md names each of these tests. The
//! oracle judges every record too (`Fixture::event`).

mod accepted;
mod rejected;

use serde_json::json;

use super::descriptor::Cell;
use super::plain::Plain;
use super::support::{Became, Fixture, Setup};
use crate::record::Reason;

pub(super) fn delivery() -> Setup {
    let booked = json!({
        "type": "object",
        "required": ["event_type", "id"],
        "properties": {
            "event_type": {"type": "string"},
            "id": {"type": "string", "format": "uuid"},
            "count": {"type": "integer"},
            "weight": {"type": "number"},
            "fragile": {"type": "boolean"},
            "at": {"type": "string", "format": "date-time"},
            "day": {"type": "string", "format": "date"},
            "price": {"type": "string", "format": "decimal"},
            "label": {"type": "string", "contentEncoding": "base64"},
            "address": {
                "type": "object",
                "required": ["city"],
                "properties": {"city": {"type": "string"}, "zip": {"type": ["string", "null"]}},
            },
            "tags": {"type": "array", "items": {"type": "string"}},
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"sku": {"type": "string"}}},
            },
            "free": {"type": "object"},
            "holes": {"type": "array", "items": {"type": ["integer", "null"]}},
            "either": {"type": "string"},
        },
    });
    let moved = json!({
        "type": "object",
        "properties": {"either": {"type": "integer"}, "only_here": {"type": "string"}},
    });
    Setup::of(vec![("Booked", booked), ("Moved", moved)])
}

/// A `Booked` event with these members after the required ones.
pub(super) fn booked(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(r#"{{"event_type":"Booked","id":"1"{comma}{members}}}"#)
}

pub(super) fn row(fixture: &mut Fixture, value: impl AsRef<[u8]>) -> Vec<(String, Cell)> {
    match fixture.value(value) {
        Became::Row(cells) => cells,
        other => panic!("{other:?}"),
    }
}

pub(super) fn cell(fixture: &mut Fixture, column: &str, members: &str) -> Option<Cell> {
    let cells = row(fixture, booked(members));
    cells.into_iter().find(|(name, _)| name == column).map(|(_, cell)| cell)
}

pub(super) fn rejected(fixture: &mut Fixture, value: impl AsRef<[u8]>) -> (Reason, String) {
    match fixture.value(value) {
        Became::Rejected(rejection) => (rejection.reason, rejection.detail),
        other => panic!("{other:?}"),
    }
}

pub(super) fn text(value: &str) -> Option<Cell> {
    Some(Cell::Text(value.to_owned()))
}

pub(super) fn json(value: &str) -> Option<Cell> {
    Some(Cell::Json(Plain::read(value.as_bytes()).unwrap()))
}

/// The page names every reason and every test, and names no test that does not exist.
#[test]
fn the_page_names_every_reason_and_every_test() {
    let page = include_str!("../../../../docs/reference/outcomes.md");
    for reason in Reason::ALL {
        assert!(page.contains(&format!("| `{}` |", reason.code())), "{}", reason.code());
    }
    let tests = [include_str!("accepted.rs"), include_str!("rejected.rs")].concat();
    for test in tests.split("#[test]\nfn ").skip(1).filter_map(|test| test.split_once('(')) {
        assert!(page.contains(&format!("`{}`", test.0)), "{}", test.0);
    }
    let all = [
        &tests,
        include_str!("../values.rs"),
        include_str!("../agreement.rs"),
        include_str!("../cases.rs"),
        include_str!("../schemas.rs"),
        include_str!("../filter.rs"),
        include_str!("../content.rs"),
    ]
    .concat();
    // Keys of the configuration have capitals.
    let is_test = |name: &&str| name.matches('_').count() > 2 && name.to_lowercase() == *name;
    for name in page.split('`').skip(1).step_by(2).filter(is_test) {
        let known =
            all.contains(&format!("fn {name}(")) || Reason::ALL.iter().any(|r| r.code() == name);
        assert!(known, "{name}");
    }
}
