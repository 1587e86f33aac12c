//! Which column of a row becomes what of a point: a tag, a field, the time, or nothing.

use super::line;
use crate::config::PointRules;
use crate::config::keys::{closest, did_you_mean};
use crate::row::{Column, ColumnType, Mode, TableSchema};

/// Columns that are tags of every point under these names. Together they keep records of different
/// topics and partitions apart, whatever else is configured.
pub const TOPIC: &str = "_kafka_topic";
pub const PARTITION: &str = "_kafka_partition";
/// Fields of every point: the offset, so that no point is without a field, and the chain of rows.
const ALWAYS: [&str; 2] = ["_kafka_offset", "_kafka_previous"];
const TIMESTAMP: &str = "_kafka_timestamp";

/// A column that has one value: of the row, or of a record in it.
#[derive(Debug, Clone)]
struct Leaf<'c> {
    /// The column's name after those of the records around it: `address.city`.
    name: String,
    /// The same in the payload.
    source: Vec<&'c str>,
    column: &'c Column,
    /// Whether it comes from the payload, and not from the record's place in Kafka.
    is_payload: bool,
}

/// What a point consists of. The numbers are places among the leaves: the row's columns in order, with
/// the columns of a record in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// In the order of their keys, each with its key as it is written.
    pub tags: Vec<(usize, Vec<u8>)>,
    pub fields: Vec<(usize, Vec<u8>)>,
    /// The leaf with the time.
    pub time: usize,
    /// The leaf's name, for messages.
    pub time_name: String,
}

/// A column that a key names cannot be what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutProblem {
    pub role: Role,
    pub found: String,
    pub accepted: String,
}

/// What a key makes of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Tag,
    Field,
    Time,
}

impl Layout {
    /// The layout of points for rows with these columns, or all that is wrong with the rules.
    pub fn new(schema: &TableSchema, rules: &PointRules) -> Result<Self, Vec<LayoutProblem>> {
        let leaves = leaves(schema);
        let mut problems = Vec::new();
        let tags = tags(&leaves, rules, &mut problems);
        let time = time(&leaves, rules.time.as_deref(), &mut problems);
        let fields = fields(&leaves, rules, (&tags, time), &mut problems);
        let Some(time) = time.filter(|_| problems.is_empty()) else { return Err(problems) };
        let keyed = |place: usize| (place, line::key(&leaves[place].name));
        let mut tags: Vec<_> = tags.into_iter().map(keyed).collect();
        tags.sort_by(|(_, one), (_, other)| one.cmp(other));
        Ok(Self {
            tags,
            fields: fields.into_iter().map(keyed).collect(),
            time,
            time_name: leaves[time].name.clone(),
        })
    }
}

/// The type of each field of a point, as InfluxDB names it. Empty where the rules are wrong.
pub fn field_types(schema: &TableSchema, rules: &PointRules) -> Vec<(String, &'static str)> {
    let Ok(layout) = Layout::new(schema, rules) else { return Vec::new() };
    let leaves = leaves(schema);
    let of =
        |(place, _): &(usize, Vec<u8>)| (leaves[*place].name.clone(), leaves[*place].type_name());
    layout.fields.iter().map(of).collect()
}

impl Leaf<'_> {
    /// The type of its values, as they are written ([`super::value`]).
    fn type_name(&self) -> &'static str {
        match (self.column.mode, &self.column.kind) {
            (Mode::Repeated, _) => "string",
            (_, ColumnType::Int64) => "integer",
            (_, ColumnType::Float64 | ColumnType::Numeric | ColumnType::BigNumeric) => "float",
            (_, ColumnType::Bool) => "boolean",
            (
                _,
                ColumnType::String
                | ColumnType::Bytes
                | ColumnType::Timestamp
                | ColumnType::Date
                | ColumnType::Datetime
                | ColumnType::Time
                | ColumnType::Json
                | ColumnType::Record(_),
            ) => "string",
        }
    }
}

fn tags(leaves: &[Leaf<'_>], rules: &PointRules, problems: &mut Vec<LayoutProblem>) -> Vec<usize> {
    let mut tags = Vec::new();
    for name in &rules.tags {
        let why = match place(leaves, name) {
            None => "there is no such column",
            Some(place) if leaves[place].can_be_tag() => {
                tags.push(place);
                continue;
            }
            Some(_) if [TOPIC, PARTITION].contains(&name.as_str()) => "it is a tag of every point",
            Some(place) if leaves[place].is_payload => {
                "its values are no tags: use a text, an \
                                                        integer, a boolean or a time"
            }
            Some(_) => {
                "it may differ when a record is read again, and then the point would be double"
            }
        };
        let accepted = listed("tags", name, leaves.iter().filter(|leaf| leaf.can_be_tag()));
        problems.push(LayoutProblem {
            role: Role::Tag,
            found: format!("the column `{name}`: {why}"),
            accepted,
        });
    }
    tags
}

fn fields(
    leaves: &[Leaf<'_>],
    rules: &PointRules,
    (tags, time): (&[usize], Option<usize>),
    problems: &mut Vec<LayoutProblem>,
) -> Vec<usize> {
    let is_tag = |place: usize| {
        tags.contains(&place) || [TOPIC, PARTITION].contains(&leaves[place].name.as_str())
    };
    let Some(chosen) = &rules.fields else {
        // The time has the record's timestamp in full; of other times it has the milliseconds.
        let is_time = |place| time == Some(place) && leaves[place].name == TIMESTAMP;
        return (0..leaves.len()).filter(|place| !is_tag(*place) && !is_time(*place)).collect();
    };
    let mut fields: Vec<usize> = ALWAYS.iter().filter_map(|name| place(leaves, name)).collect();
    for name in chosen {
        let why = match place(leaves, name) {
            Some(place) if !is_tag(place) => {
                if !fields.contains(&place) {
                    fields.push(place);
                }
                continue;
            }
            Some(_) => "it is a tag already",
            None => "there is no such column",
        };
        let others = leaves.iter().enumerate().filter(|(place, _)| !is_tag(*place));
        problems.push(LayoutProblem {
            role: Role::Field,
            found: format!("the column `{name}`: {why}"),
            accepted: listed("fields", name, others.map(|(_, leaf)| leaf)),
        });
    }
    fields
}

fn time(
    leaves: &[Leaf<'_>],
    pointer: Option<&[String]>,
    problems: &mut Vec<LayoutProblem>,
) -> Option<usize> {
    let Some(keys) = pointer else { return place(leaves, TIMESTAMP) };
    let found = leaves.iter().position(|leaf| leaf.is_payload && leaf.source == *keys);
    let why = match found {
        Some(place) if leaves[place].is_time() => return Some(place),
        Some(place) => format!("a {} field", leaves[place].column.kind.name().to_lowercase()),
        None => "no field of the contract that has a column".to_owned(),
    };
    let found = format!("/{}, which is {why}", keys.join("/"));
    let times = leaves.iter().filter(|leaf| leaf.is_payload && leaf.is_time());
    let times: Vec<String> = times.map(|leaf| format!("/{}", leaf.source.join("/"))).collect();
    let accepted = match times.is_empty() {
        true => "nothing, as the payload has no time (`format: date-time` or `date`)".to_owned(),
        false => format!("a time of the payload: {}", times.join(", ")),
    };
    problems.push(LayoutProblem { role: Role::Time, found, accepted });
    None
}

fn place(leaves: &[Leaf<'_>], name: &str) -> Option<usize> {
    leaves.iter().position(|leaf| leaf.name == name)
}

/// What may be named instead of `name`, as the accepted values of a mistake.
fn listed<'l>(what: &str, name: &str, leaves: impl Iterator<Item = &'l Leaf<'l>>) -> String {
    const MOST: usize = 30;
    let mut names: Vec<&str> = leaves.map(|leaf| leaf.name.as_str()).collect();
    let meant = did_you_mean(closest(name, names.iter().copied()));
    if names.len() > MOST {
        names.truncate(MOST);
        names.push("…");
    }
    format!("columns that can be {what}: {}{meant}", names.join(", "))
}

/// The leaves of a row, in order. Records are taken apart, arrays of records are not.
fn leaves(schema: &TableSchema) -> Vec<Leaf<'_>> {
    let payload: Vec<usize> = schema.payload_columns().map(|(index, _)| index).collect();
    let mut leaves = Vec::new();
    for (index, column) in schema.columns.iter().enumerate() {
        add(column, (String::new(), Vec::new()), payload.contains(&index), &mut leaves);
    }
    leaves
}

fn add<'c>(
    column: &'c Column,
    (before, mut source): (String, Vec<&'c str>),
    is_payload: bool,
    leaves: &mut Vec<Leaf<'c>>,
) {
    let name = format!("{before}{}", column.name);
    source.push(&column.source);
    match inner(column) {
        Some(columns) => {
            for column in columns {
                add(column, (format!("{name}."), source.clone()), is_payload, leaves);
            }
        }
        None => leaves.push(Leaf { name, source, column, is_payload }),
    }
}

/// The columns of a record whose values are leaves of their own.
pub(super) fn inner(column: &Column) -> Option<&[Column]> {
    match (&column.kind, column.mode) {
        (ColumnType::Record(columns), Mode::Nullable | Mode::Required) => Some(columns),
        _ => None,
    }
}

impl Leaf<'_> {
    /// Whether it has one value, which is the same whenever the record is read, and which people
    /// group by.
    fn can_be_tag(&self) -> bool {
        let is_stable = self.is_payload || self.name == "_event_type";
        let is_scalar = match self.column.kind {
            ColumnType::String
            | ColumnType::Int64
            | ColumnType::Bool
            | ColumnType::Timestamp
            | ColumnType::Date
            | ColumnType::Datetime
            | ColumnType::Time
            | ColumnType::Numeric
            | ColumnType::BigNumeric => true,
            ColumnType::Bytes | ColumnType::Float64 | ColumnType::Json | ColumnType::Record(_) => {
                false
            }
        };
        is_stable && is_scalar && self.column.mode != Mode::Repeated
    }

    fn is_time(&self) -> bool {
        let kind = &self.column.kind;
        let is_time =
            matches!(kind, ColumnType::Timestamp | ColumnType::Date | ColumnType::Datetime);
        is_time && self.column.mode != Mode::Repeated
    }
}
