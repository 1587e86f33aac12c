//! Turns a Kafka record's JSON value into a row: a protobuf message whose fields are the columns of
//! a table.
//!
//! A [`Plan`] is compiled once, from a contract (which event types there are, and which fields they
//! have) and a table (which columns it has). Then [`Plan::transcode`] decides about each record: it
//! writes a row, or says that the record is ignored, or why it is rejected. It reads a value once,
//! from the first byte to the last. On the way it checks that the value is JSON and follows the
//! contract, and appends each field to the row. It builds no tree and, once its buffers have grown,
//! allocates no memory, except where it looks for the paths of undeclared members (`undeclared`), in one
//! of 64 events that have any.
//!
//! ```text
//! once         contract × table × options ─► compile ─► Plan
//!
//! per record   event_type ─── on the ignore list ───────────────────────────► ignored
//!                  │ in the contract
//!                  ▼
//!              content, if the type has encoded fields
//!                  │
//!                  ▼
//!              filter ─── not true ──────────────────────────────────────► ignored
//!                  │
//!                  ▼
//!              walk: scan ─► convert ─► wire ─► validator, if needed ───────► row
//!                  │ fault
//!                  ▼
//!              duplicates: take out keys that occur twice, then once more ──► row or rejected
//! ```
//!
//! | file | what it does |
//! |---|---|
//! | `options` | what a plan is compiled with, and why compiling can fail |
//! | `compile`, `compile/fields` | make the plan: of all event types, of the fields of one |
//! | `plan` | the plan, and the decision about a record |
//! | `event_type`, `event_type/path` | find a record's event type in a header or in the payload |
//! | `walk` | reads a value, led by `expected`, and writes the row |
//! | `expected` | what a plan expects at each place of a value |
//! | `guess` | guesses the next key, so that it need not be looked up |
//! | `key`, `names` | compare a key with the expected one; look a name up |
//! | `seen`, `key_digests` | detect duplicate keys and missing fields |
//! | `duplicates` | makes a copy of a text without duplicate keys |
//! | `scan` and `scan/…` | the JSON grammar, token by token |
//! | `block` | scans and compares sixteen bytes at a time |
//! | `json_string`, `number`, `time` | strings with escapes, decimal numbers, dates and times |
//! | `convert` | converts a number or string to its column's type |
//! | `wire` | protobuf's wire format |
//! | `position`, `headers` | the columns that say where a row comes from |
//! | `content` | decodes the fields whose text is JSON |
//! | `filter` | leaves out events for which `FILTER` is not true |
//! | `extra` | the column `_extra`: what the contract does not declare |
//! | `undeclared` | counts these by path: what producers have added |
//! | `partition` | the days that the table's partitions accept |
//! | `bounds`, `validator` | rules beyond types: checked quickly, or by a JSON Schema validator |
//! | `declared` | for the validator: which members are declared |
//! | `fault` | why a value is rejected, and where |
//!
//! `tests` has the same transcoder written the obvious way (parse to a tree, validate, encode). The
//! two have to agree about generated records, and about those a fuzzer finds (`make fuzz`).

mod block;
mod bounds;
mod compile;
mod content;
mod convert;
mod declared;
mod duplicates;
mod event_type;
mod expected;
mod extra;
mod fault;
mod filter;
mod guess;
mod headers;
mod json_string;
mod key;
mod key_digests;
mod names;
mod number;
mod options;
mod partition;
mod plan;
mod position;
mod scan;
mod seen;
mod time;
mod undeclared;
mod validator;
mod walk;
mod wire;

#[cfg(any(test, fuzzing))]
pub mod tests;

pub use self::filter::{Filter, FilterError, FilterProblem};
pub use self::options::{Ingestion, PlanError, PlanMistake, PlanOptions};
pub use self::partition::PartitionWindow;
pub use self::plan::Plan;
pub use self::undeclared::{OTHER_PATHS, UndeclaredField};
