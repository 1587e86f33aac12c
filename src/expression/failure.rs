//! Why an evaluation has no answer.

use cel::{ExecutionError, Value};

use super::budget::UsedUp;
use super::error::{MOST_BYTES, MOST_STEPS};
use super::names::Names;

/// Why an expression has no answer for a record. It never contains a value of the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotEvaluated {
    #[error("there is no field `{0}`")]
    NoField(String),
    #[error("`{operation}` does not take {types}")]
    Types { operation: String, types: String },
    #[error("`{0}` does not take the value that it is given")]
    Argument(String),
    #[error("the result is {0}, not a bool")]
    NotABool(String),
    #[error("a condition is {0}, not a bool")]
    Condition(String),
    #[error("a loop such as `all` goes over a list or a map, not {0}")]
    Loop(String),
    #[error("it takes more than {MOST_STEPS} steps")]
    TooManySteps,
    #[error("it builds more than {MOST_BYTES} bytes")]
    TooManyBytes,
    #[error("its value has more than {0} bytes as JSON")]
    ValueTooLarge(usize),
    #[error("its value has more than {0} levels of lists and maps")]
    ValueTooDeep(usize),
    #[error("{0}")]
    Other(&'static str),
}

impl From<UsedUp> for NotEvaluated {
    fn from(used_up: UsedUp) -> Self {
        match used_up {
            UsedUp::Steps => Self::TooManySteps,
            UsedUp::Bytes => Self::TooManyBytes,
        }
    }
}

impl NotEvaluated {
    /// Whether the evaluation was ended because it would have used too much.
    pub fn is_over_budget(&self) -> bool {
        match self {
            Self::TooManySteps | Self::TooManyBytes | Self::ValueTooLarge(_) => true,
            Self::NoField(_) | Self::Types { .. } | Self::Argument(_) | Self::NotABool(_) => false,
            Self::Condition(_) | Self::Loop(_) | Self::ValueTooDeep(_) | Self::Other(_) => false,
        }
    }

    /// The library's own messages have values in them, and a key may be a value of the record: it is
    /// named only if it is a key that stands in the expression.
    pub(super) fn of(error: &ExecutionError, names: &Names) -> Self {
        use ExecutionError as E;
        if let Some(used_up) = UsedUp::of(error) {
            return used_up.into();
        }
        let types = |operation: &str, values: &[&Value]| {
            let types = values.iter().map(|one| type_name(&one.type_of().to_string()).to_owned());
            Self::Types {
                operation: shown(operation),
                types: types.collect::<Vec<_>>().join(" and "),
            }
        };
        match error {
            E::NoSuchKey(name) if names.has_key(name) => Self::NoField(name.to_string()),
            E::NoSuchKey(_) => Self::Other("there is no such field"),
            E::NoSuchOverload(overload) if overload.function() == "_._" => {
                Self::Other("a value that is no object has no fields")
            }
            E::NoSuchOverload(overload) => {
                let types = overload.argument_types().iter().map(|name| type_name(name));
                Self::Types {
                    operation: shown(overload.function()),
                    types: types.collect::<Vec<_>>().join(" and "),
                }
            }
            E::ValuesNotComparable(a, b) => types("<", &[a, b]),
            E::UnsupportedBinaryOperator(operator, a, b) => types(operator, &[a, b]),
            E::UnsupportedIndex(index, of) => types("[]", &[of, index]),
            E::UnsupportedTargetType { target } => types("a function", &[target]),
            E::UnsupportedKeyType(key) => types("{}", &[key]),
            E::UnexpectedType { got, want } if want == "bool" => {
                Self::Condition(type_name(got).to_owned())
            }
            E::UnexpectedType { got, want } if want == "iterable" => {
                Self::Loop(type_name(got).to_owned())
            }
            E::UnexpectedType { got, .. } => {
                Self::Types { operation: "[]".to_owned(), types: type_name(got).to_owned() }
            }
            E::DivisionByZero(_) | E::RemainderByZero(_) => Self::Other("division by zero"),
            E::Overflow(..) => Self::Other("a number is too large to calculate with"),
            E::IndexOutOfBounds(_) => Self::Other("a list has no item at an index"),
            E::DuplicateKey(_) => Self::Other("a map has a key twice"),
            // The name of one of the library's functions.
            E::FunctionError { function, .. } => Self::Argument(shown(function)),
            _ => Self::Other("it cannot be evaluated"),
        }
    }
}

/// The name of a function, or an operator as it is written: `>` for `_>_`.
pub(super) fn shown(function: &str) -> String {
    match function {
        "add" => "+".to_owned(),
        "sub" => "-".to_owned(),
        "mul" => "*".to_owned(),
        "div" => "/".to_owned(),
        "rem" => "%".to_owned(),
        "negate" => "-".to_owned(),
        "_?_:_" => "?".to_owned(),
        _ if function.starts_with('@') => function.trim_start_matches('@').to_owned(),
        _ if function.contains(char::is_alphabetic) => function.to_owned(),
        _ => function.replace('_', ""),
    }
}

/// A type as expressions name it.
pub(super) fn type_name(name: &str) -> &str {
    match name {
        "google.protobuf.Timestamp" => "timestamp",
        "google.protobuf.Duration" => "duration",
        "null_type" => "null",
        "float" => "double",
        "optional_type" | "opaque" => "an optional value",
        _ => name,
    }
}
