//! The first reading of a YAML document: what is a table, a list or a scalar, and nothing of what
//! a scalar says. Taking every kind of scalar, it never has to complain about a value.

use std::fmt;

use serde::de::{
    Deserialize, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

#[derive(Debug)]
pub enum Shape {
    Null,
    Scalar,
    List(Vec<Shape>),
    /// Of its values, in their order.
    Table(Vec<Shape>),
    Tagged,
}

impl Shape {
    /// Of what is directly inside.
    pub fn inner(&self) -> &[Shape] {
        match self {
            Self::List(inner) | Self::Table(inner) => inner,
            Self::Null | Self::Scalar | Self::Tagged => &[],
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_none<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut inner = Vec::new();
        while let Some(shape) = access.next_element()? {
            inner.push(shape);
        }
        Ok(Shape::List(inner))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Shape, A::Error> {
        let mut inner = Vec::new();
        while let Some((IgnoredAny, shape)) = access.next_entry()? {
            inner.push(shape);
        }
        Ok(Shape::Table(inner))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<Shape, A::Error> {
        let (IgnoredAny, value) = access.variant()?;
        value.newtype_variant::<IgnoredAny>()?;
        Ok(Shape::Tagged)
    }
}
