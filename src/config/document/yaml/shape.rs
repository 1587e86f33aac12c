//! The first pass over a YAML document: which values are tables, lists or scalars. It accepts
//! scalars of every type, so it never fails with a message that repeats a value.

use std::fmt;

use serde::de::{
    Deserialize, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// What kind of value a value is.
#[derive(Debug)]
pub enum Shape {
    Null,
    Scalar,
    List(Vec<Shape>),
    /// The shapes of its values, in their order.
    Table(Vec<Shape>),
    Tagged,
}

impl Shape {
    /// The shapes of the elements of a list or the values of a table.
    pub fn inner(&self) -> &[Shape] {
        match self {
            Self::List(inner) | Self::Table(inner) => inner,
            Self::Null | Self::Scalar | Self::Tagged => &[],
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
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
