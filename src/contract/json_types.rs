//! Sets of JSON types.

/// A set of JSON types. Numbers are two members: whole ones and those with a fraction, because
/// `integer` allows only the first and `number` allows both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonTypes(u8);

impl JsonTypes {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(1 << 1);
    pub(super) const INTEGER: Self = Self(1 << 2);
    pub(super) const NUMBER: Self = Self(1 << 2 | 1 << 3);
    pub(super) const STRING: Self = Self(1 << 4);
    pub(super) const OBJECT: Self = Self(1 << 5);
    pub(super) const ARRAY: Self = Self(1 << 6);
    pub(super) const ALL: Self = Self((1 << 7) - 1);

    /// The type that `type` names; none for a name that JSON Schema does not have.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "object" => Self::OBJECT,
            "array" => Self::ARRAY,
            _ => Self::NONE,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without_null(self) -> Self {
        Self(self.0 & !Self::NULL.0)
    }

    /// Whether one of the types of `other` is in the set.
    pub(super) fn meets(self, other: Self) -> bool {
        self.and(other) != Self::NONE
    }
}

impl std::fmt::Debug for JsonTypes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            ("null", Self::NULL),
            ("boolean", Self::BOOLEAN),
            ("integer", Self::INTEGER),
            ("fraction", Self(1 << 3)),
            ("string", Self::STRING),
            ("object", Self::OBJECT),
            ("array", Self::ARRAY),
        ];
        let found = names.iter().filter(|(_, one)| self.meets(*one)).map(|(name, _)| name);
        f.debug_set().entries(found).finish()
    }
}
