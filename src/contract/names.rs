//! Distinct names for the columns of one table or record.
//!
//! A column's name must not depend on the order of the fields: a field that is added must never get
//! a name under which another field was stored. So where names collide, each of them gets a suffix
//! that is made of the field's own name.

use std::collections::HashMap;

use crate::row::ColumnRules;

/// Characters of a suffix: an underscore and eight digits.
const SUFFIX: usize = 9;

/// A column that is wrong, and why.
type Mistake = (String, String);

/// The names of the columns of these fields, in their order. A field comes with the name that the
/// contract chooses for its column, if it does. `ours` are names that no field may have.
pub(super) fn distinct(
    fields: &[(&str, Option<&str>)],
    ours: &[&str],
    rules: &ColumnRules,
) -> (Vec<String>, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    let mut names: Vec<String> = Vec::with_capacity(fields.len());
    for (field, chosen) in fields {
        let name = (rules.name)(chosen.unwrap_or(field));
        if let Some(chosen) = chosen.filter(|chosen| *chosen != name) {
            let what = format!("x-bigquery-name {chosen:?} is not a name that the table accepts");
            mistakes.push((name.clone(), what));
        }
        names.push(name);
    }
    let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        groups.entry(name.to_ascii_lowercase()).or_default().push(index);
    }
    let is_ours = |name: &str| ours.iter().any(|one| one.eq_ignore_ascii_case(name));
    let is_chosen = |index: &usize| fields[*index].1.is_some();
    for (name, group) in groups {
        if group.len() == 1 && (!is_ours(&name) || is_chosen(&group[0])) {
            continue;
        }
        // One field may keep the name: the one that the contract gives it, else the only one that
        // is called so.
        let mut owners = group.iter().filter(|index| is_chosen(index));
        let unchanged = |index: &&usize| fields[**index].0 == names[**index];
        let owner = match owners.next() {
            Some(owner) => Some(*owner),
            None if is_ours(&name) || group.iter().filter(unchanged).count() != 1 => None,
            None => group.iter().find(unchanged).copied(),
        };
        for index in group {
            if Some(index) != owner && !is_chosen(&index) {
                names[index] = suffixed(fields[index].0, &names[index], rules);
            }
        }
    }
    let mut taken: HashMap<String, String> = ours
        .iter()
        .map(|name| (name.to_ascii_lowercase(), format!("the column {name} of every table")))
        .collect();
    for ((field, _), name) in fields.iter().zip(&names) {
        let before = taken.insert(name.to_ascii_lowercase(), format!("the field {field:?}"));
        if let Some(other) = before {
            let what = format!(
                "the field {field:?} would be the same column as {other}: choose another name with \
                 x-bigquery-name"
            );
            mistakes.push((name.clone(), what));
        }
    }
    (names, mistakes)
}

/// The name with a suffix that is always the same for this field.
fn suffixed(field: &str, name: &str, rules: &ColumnRules) -> String {
    // FNV-1a, which is the same everywhere and for ever.
    let digest = field
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let kept: String = name.chars().take(rules.longest_name.saturating_sub(SUFFIX)).collect();
    format!("{kept}_{digest:08x}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: ColumnRules = ColumnRules {
        name: |field| {
            let changed = field.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
            changed.chars().take(20).collect()
        },
        longest_name: 20,
        most_columns: 10_000,
        deepest_record: 15,
    };

    fn names(fields: &[(&str, Option<&str>)]) -> Vec<String> {
        let (names, mistakes) = distinct(fields, &["_extra"], &RULES);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        names
    }

    #[test]
    fn names_that_collide_get_a_suffix_that_the_order_does_not_change() {
        assert_eq!(names(&[("a-b", None), ("c", None)]), ["a_b", "c"]);
        let (plus, minus) = ("_1_18dc1b01", "_1_14cd0a2b");
        assert_eq!(names(&[("+1", None), ("-1", None)]), [plus, minus]);
        assert_eq!(names(&[("-1", None), ("+1", None)]), [minus, plus]);
        let upper_and_lower = names(&[("Id", None), ("id", None)]);
        assert!(upper_and_lower[0].starts_with("Id_") && upper_and_lower[1].starts_with("id_"));
        assert!(names(&[("_extra", None)])[0].starts_with("_extra_"));
    }

    #[test]
    fn the_field_that_is_called_so_keeps_its_name() {
        let names = names(&[("a-b", None), ("a_b", None)]);
        assert_eq!(names[1], "a_b");
        assert!(names[0].starts_with("a_b_"));
    }

    #[test]
    fn the_contract_chooses_a_name() {
        assert_eq!(names(&[("+1", Some("plus")), ("-1", Some("minus"))]), ["plus", "minus"]);
        // A chosen name wins against a field that is called so.
        assert_eq!(names(&[("x", Some("a")), ("a", None)])[0], "a");
        let wrong: [&[(&str, Option<&str>)]; 3] = [
            &[("x", Some("a b"))],
            &[("x", Some("_extra"))],
            &[("x", Some("a")), ("y", Some("A"))],
        ];
        for fields in wrong {
            assert_eq!(distinct(fields, &["_extra"], &RULES).1.len(), 1, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn names_are_distinct_and_accepted(
            fields in prop::collection::btree_set("[aAbB1_+-]{0,3}|[a-]{25,30}", 0..12),
        ) {
            let fields: Vec<(&str, Option<&str>)> =
                fields.iter().map(|field| (field.as_str(), None)).collect();
            let (names, mistakes) = distinct(&fields, &["_b", "_extra"], &RULES);
            prop_assert!(mistakes.is_empty(), "{:?}", mistakes);
            let mut seen = std::collections::HashSet::from(["_b".to_owned(), "_extra".to_owned()]);
            for name in names {
                prop_assert!(name.len() <= 20 && seen.insert(name.to_ascii_lowercase()), "{}", name);
            }
        }
    }
}
