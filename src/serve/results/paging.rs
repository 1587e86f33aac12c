//! Where a page of a list begins, and how long it is.

use axum::http::{StatusCode, Uri};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::serve::api::problem::Problem;

/// Entries of a page, unless the request says otherwise, and the most it may say.
pub(super) const USUAL: usize = 100;
pub(super) const MOST: usize = 1_000;

/// The parameters of a request for a list or a report.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub limit: Option<usize>,
    pub after: Option<Cursor>,
    pub organization: Option<String>,
}

/// The last entry of a page: its organization and cluster. Clients give it back as they got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub organization: String,
    pub cluster: String,
}

impl Cursor {
    /// Letters, digits, `-` and `_`.
    pub fn text(&self) -> String {
        let json = serde_json::json!([self.organization, self.cluster]).to_string();
        URL_SAFE_NO_PAD.encode(json)
    }

    fn of(text: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (organization, cluster) = serde_json::from_slice(&json).ok()?;
        Some(Self { organization, cluster })
    }
}

impl Parameters {
    /// Reads the query, of which only these names are `known`; each may be there once.
    pub fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let mut read = Self::default();
        let mut seen: Vec<String> = Vec::new();
        let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(uri)
            .map(|axum::extract::Query(pairs)| pairs)
            .map_err(|_| bad("the query cannot be read".to_owned()))?;
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                let names = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(bad(format!("there is no parameter {name:?}; there are: {names}")));
            }
            if seen.contains(&name) {
                return Err(bad(format!("`{name}` is there twice")));
            }
            match name.as_str() {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    let wrong = || bad(format!("`limit` is a whole number from 1 to {MOST}"));
                    read.limit = Some(limit.ok_or_else(wrong)?);
                }
                "after" => {
                    let wrong = || bad("`after` is the `next` of an earlier page".to_owned());
                    read.after = Some(Cursor::of(&value).ok_or_else(wrong)?);
                }
                _ => read.organization = Some(value),
            }
            seen.push(name);
        }
        Ok(read)
    }

    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(USUAL)
    }
}

fn bad(detail: String) -> Problem {
    let title = "the query cannot be answered";
    Problem::new(StatusCode::BAD_REQUEST, "bad-query", title, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(query: &str) -> Result<Parameters, String> {
        let uri = format!("/x?{query}").parse().expect("a URI");
        Parameters::of(&uri, &["limit", "after"]).map_err(|problem| problem.detail)
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(organization in ".{0,20}", cluster in ".{0,20}") {
            let cursor = Cursor { organization, cluster };
            let parameters = read(&format!("after={}", cursor.text())).expect("read");
            prop_assert_eq!(parameters.after, Some(cursor));
        }
    }

    #[test]
    fn what_is_wrong_with_a_query_is_named() {
        assert_eq!(read("limit=7").map(|it| it.limit()), Ok(7));
        assert_eq!(read("").map(|it| it.limit()), Ok(USUAL));
        for (query, expected) in [
            ("limit=0", "from 1 to 1000"),
            ("limit=1001", "from 1 to 1000"),
            ("limit=ten", "from 1 to 1000"),
            ("limit=1&limit=2", "`limit` is there twice"),
            ("after=..", "`next` of an earlier page"),
            ("after=W10", "`next` of an earlier page"),
            ("offset=3", "there is no parameter \"offset\"; there are: limit, after"),
            ("organization=1", "there is no parameter"),
        ] {
            let said = read(query).expect_err("refused");
            assert!(said.contains(expected), "{query}: {said}");
        }
    }
}
