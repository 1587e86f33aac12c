//! What InfluxDB demands of names, and how large a row may be.

use crate::row::{ColumnRules, fitting_name};

/// The rules by which a contract's fields become tags and fields. Objects have columns of their own
/// within them, as fields do not nest: `address.city`.
pub const COLUMN_RULES: ColumnRules =
    ColumnRules { name: column_name, longest_name: 255, most_columns: 10_000, deepest_record: 15 };

/// The largest row in bytes. InfluxDB 1 takes requests of 25 MB where nothing else is configured, and
/// a row grows when it is written as text.
pub const LARGEST_ROW: usize = 10 << 20;

/// Names that InfluxDB takes for something else, or drops.
const RESERVED: &[&str] = &["time", "_time", "_measurement", "_field", "_value", "_start", "_stop"];

/// The name for a payload field: the field's own without what line protocol cannot write (control
/// characters, backslashes) and without dots, which separate the names of records from those in
/// them. A reserved name gets `f_` in front.
fn column_name(field: &str) -> String {
    let replaced = |c: char| if c.is_control() || matches!(c, '\\' | '.') { '_' } else { c };
    fitting_name(field.chars().map(replaced).collect(), RESERVED, COLUMN_RULES.longest_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        for (field, name) in [
            ("deliveryId", "deliveryId"),
            ("имя", "имя"),
            ("a b=c,d", "a b=c,d"),
            ("a.b\\c\nd", "a_b_c_d"),
            ("", "f_"),
            ("time", "f_time"),
            ("Time", "Time"),
            ("_field", "f__field"),
        ] {
            assert_eq!(column_name(field), name, "{field}");
        }
    }

    proptest! {
        #[test]
        fn every_name_fits(field in "(?s).{0,300}") {
            let name = column_name(&field);
            prop_assert!(!name.is_empty() && name.len() <= 255);
            prop_assert!(!name.contains(['\\', '.', '\n', '\r']));
            prop_assert_eq!(column_name(&name), name);
        }
    }
}
