//! BigQuery's rules for column names.

/// Prefixes that BigQuery keeps for itself, in any case.
const RESERVED: &[&str] = &[
    "_PARTITION",
    "_TABLE_",
    "_FILE_",
    "_ROW_TIMESTAMP",
    "__ROOT__",
    "_COLIDENTIFIER",
    "_CHANGE_",
];

/// Letters, digits and underscores of a name at most.
const LONGEST: usize = 300;

/// The column's name for a payload field: the field's own where it fits, else with what does not
/// fit turned to underscores, a leading digit or a reserved prefix behind a further `f_`.
pub fn column_name(field: &str) -> String {
    let mut name: String = field
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
        .collect();
    let upper = name.to_ascii_uppercase();
    let reserved = RESERVED.iter().any(|prefix| upper.starts_with(prefix));
    if name.is_empty() || reserved || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "f_");
    }
    name.truncate(LONGEST);
    name
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_fit_stay_and_others_are_mapped() {
        for (field, name) in [
            ("delivery_id", "delivery_id"),
            ("Straße", "Stra_e"),
            ("a-b.c", "a_b_c"),
            ("1st", "f_1st"),
            ("", "f_"),
            ("_partitiontime", "f__partitiontime"),
            ("_CHANGE_TYPE", "f__CHANGE_TYPE"),
        ] {
            assert_eq!(column_name(field), name, "{field}");
        }
    }

    proptest! {
        #[test]
        fn every_name_fits(field in ".{0,400}") {
            let name = column_name(&field);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST);
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            prop_assert!(!name.as_bytes()[0].is_ascii_digit());
        }
    }
}
