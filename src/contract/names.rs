//! Distinct names for the columns of one table or record.
//!
//! A column's name must not depend on the order of the fields, and a field that is added must not get
//! the column of another field. So where names collide, each of them gets a suffix that is made of the
//! field's own name. Where one of the fields is called exactly so and another is not, the contract has
//! to say which one owns the column.

use std::collections::{BTreeMap, HashMap};

use crate::row::ColumnRules;

/// Characters of a suffix: an underscore and eight digits.
const SUFFIX: usize = 9;

/// Index of a field whose column is wrong, and why.
type Mistake = (usize, String);

/// The names of the columns of these fields, in their order. A field comes with the name that the
/// contract chooses for its column, if it does. `ours` are names that no field may have.
pub(super) fn distinct(
    fields: &[(&str, Option<&str>)],
    ours: &[&str],
    rules: &ColumnRules,
) -> (Vec<String>, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    let mut names: Vec<String> = Vec::with_capacity(fields.len());
    for (index, (field, chosen)) in fields.iter().enumerate() {
        let name = (rules.name)(chosen.unwrap_or(field));
        if let Some(chosen) = chosen.filter(|chosen| *chosen != name) {
            let what = format!("x-bigquery-name {chosen:?} is not a name that the table accepts");
            mistakes.push((index, what));
        }
        names.push(name);
    }
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        groups.entry(name.to_ascii_lowercase()).or_default().push(index);
    }
    let is_ours = |name: &str| ours.iter().any(|one| one.eq_ignore_ascii_case(name));
    let is_chosen = |index: &usize| fields[*index].1.is_some();
    for (name, group) in groups {
        if group.len() == 1 && (!is_ours(&name) || is_chosen(&group[0])) {
            continue;
        }
        let owner = group.iter().find(|index| is_chosen(index)).copied();
        // Nobody can tell whose values the column has: those of the field that is called so, or,
        // from a time when it stood alone, those of one whose name had to be changed.
        let (called_so, changed): (Vec<usize>, Vec<usize>) =
            group.iter().partition(|index| fields[**index].0 == names[**index]);
        if owner.is_none()
            && !is_ours(&name)
            && let ([exact, ..], [_, ..]) = (&called_so[..], &changed[..])
        {
            mistakes.push((*exact, undecided(&group, &names[*exact], fields)));
        }
        for index in group {
            if !is_chosen(&index) {
                names[index] = suffixed(fields[index].0, &names[index], rules);
            }
        }
    }
    let mut taken: HashMap<String, String> = ours
        .iter()
        .map(|name| (name.to_ascii_lowercase(), format!("the column {name} of every table")))
        .collect();
    for (index, ((field, _), name)) in fields.iter().zip(&names).enumerate() {
        let before = taken.insert(name.to_ascii_lowercase(), format!("the field {field:?}"));
        if let Some(other) = before {
            let what = format!(
                "the field {field:?} would be the same column as {other}: choose another name with \
                 x-bigquery-name"
            );
            mistakes.push((index, what));
        }
    }
    (names, mistakes)
}

/// Fields that would all be the column `name`, of which one is called so.
fn undecided(group: &[usize], name: &str, fields: &[(&str, Option<&str>)]) -> String {
    let same: Vec<String> = group.iter().map(|index| format!("{:?}", fields[*index].0)).collect();
    format!(
        "the fields {} would be the same column: give the one whose values the table already has \
         `x-bigquery-name: {name}`",
        same.join(" and ")
    )
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
    fn the_contract_says_who_owns_a_column_that_two_fields_may_own() {
        for fields in [&["a-b", "a_b"][..], &["A_B", "a-b"], &["a+b", "a_b", "a-b"]] {
            let fields: Vec<(&str, Option<&str>)> = fields.iter().map(|one| (*one, None)).collect();
            let (_, mistakes) = distinct(&fields, &[], &RULES);
            assert_eq!(mistakes.len(), 1, "{mistakes:?}");
            for (field, _) in &fields {
                assert!(mistakes[0].1.contains(&format!("{field:?}")), "{mistakes:?}");
            }
            assert!(mistakes[0].1.to_lowercase().contains("`x-bigquery-name: a_b`"));
        }
        let owned = names(&[("a-b", Some("a_b")), ("a_b", None)]);
        assert!(owned[0] == "a_b" && owned[1].starts_with("a_b_"), "{owned:?}");
        let owned = names(&[("a-b", None), ("a_b", Some("a_b"))]);
        assert!(owned[1] == "a_b" && owned[0].starts_with("a_b_"), "{owned:?}");
        // A position column belongs to neither of the fields.
        let (_, mistakes) = distinct(&[("-extra", None), ("_extra", None)], &["_extra"], &RULES);
        assert!(mistakes.is_empty(), "{mistakes:?}");
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

    /// Field names of which many become the same column.
    fn fields() -> impl Strategy<Value = std::collections::BTreeSet<String>> {
        prop::collection::btree_set("[aAbB1_+-]{0,3}|[a-]{25,30}", 0..12)
    }

    proptest! {
        #[test]
        fn names_are_distinct_and_accepted(fields in fields()) {
            let fields: Vec<(&str, Option<&str>)> =
                fields.iter().map(|field| (field.as_str(), None)).collect();
            let (names, mistakes) = distinct(&fields, &["_b", "_extra"], &RULES);
            prop_assume!(mistakes.is_empty());
            let mut seen = std::collections::HashSet::from(["_b".to_owned(), "_extra".to_owned()]);
            for name in names {
                prop_assert!(name.len() <= 20 && seen.insert(name.to_ascii_lowercase()), "{}", name);
            }
        }

        #[test]
        fn a_field_that_is_added_gets_no_column_of_another(
            fields in fields(), more in fields(), suffix in any::<bool>(),
        ) {
            let before: Vec<(&str, Option<&str>)> =
                fields.iter().map(|field| (field.as_str(), None)).collect();
            let (columns, mistakes) = distinct(&before, &["_b"], &RULES);
            prop_assume!(mistakes.is_empty());
            // A field may also be called as a column with a suffix is.
            let more: Vec<&str> = more
                .iter()
                .map(String::as_str)
                .chain(columns.first().filter(|_| suffix).map(String::as_str))
                .filter(|field| !fields.contains(*field))
                .collect();
            let after: Vec<(&str, Option<&str>)> =
                before.iter().copied().chain(more.iter().map(|field| (*field, None))).collect();
            let (now, mistakes) = distinct(&after, &["_b"], &RULES);
            prop_assume!(mistakes.is_empty());
            for (field, column) in more.iter().zip(&now[before.len()..]) {
                let taken = columns.iter().any(|one| one.eq_ignore_ascii_case(column));
                prop_assert!(!taken, "{} of {:?}", column, field);
            }
        }
    }
}
