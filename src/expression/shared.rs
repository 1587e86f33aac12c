//! A value with shared ownership: its copies cost the same however large it is.
//!
//! The library copies a value where a loop's variable, a list or an optional value takes it. In an
//! evaluation that is metered all strings, lists and maps that are not borrowed are shared, so that
//! only making and reading them has to be paid for.

use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Adder, Comparer, Container, Indexer, Iterable, Sizer, Zeroer};
use cel::common::types::{CelDouble, Kind, Type};
use cel::common::value::{Builtin, BuiltinRef, CowVal, Val};

/// Doubles up to here are whole numbers that an index can be.
const LARGEST_INDEX: f64 = 9_007_199_254_740_992.0;

#[derive(Debug)]
pub(super) struct Shared<'v>(Arc<dyn Val + 'v>);

impl<'v> Shared<'v> {
    /// The value, shared if its copies may be large.
    pub fn of(value: Box<dyn Val + 'v>) -> Box<dyn Val + 'v> {
        match value.get_type().kind() {
            Kind::String | Kind::Bytes | Kind::List | Kind::Map => Box::new(Self(Arc::from(value))),
            _ => value,
        }
    }
}

impl Val for Shared<'_> {
    fn get_type(&self) -> &Type {
        self.0.get_type()
    }

    fn cel_type() -> &'static Type {
        &cel::common::types::DYN_TYPE
    }

    fn as_adder<'b, 'w>(&'b self) -> Option<&'b (dyn Adder + 'w)>
    where
        Self: 'w,
    {
        self.0.as_adder()
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        self.0.as_comparer()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        self.0.as_container()
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        self.0.as_indexer().map(|_| self as &'b (dyn Indexer + 'w))
    }

    fn into_indexer<'w>(self: Box<Self>) -> Option<Box<dyn Indexer + 'w>>
    where
        Self: 'w,
    {
        self.0.as_indexer()?;
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        self.0.as_iterable()
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        self.0.as_sizer()
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        self.0.as_zeroer()
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.0.equals(other)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(Shared(Arc::clone(&self.0)))
    }

    fn as_builtin<'b, 'w>(&'b self) -> BuiltinRef<'b, 'w>
    where
        Self: 'w,
    {
        self.0.as_builtin()
    }

    fn into_builtin<'w>(self: Box<Self>) -> Option<Builtin<'w>>
    where
        Self: 'w,
    {
        self.0.clone_as_boxed().into_builtin()
    }
}

impl Indexer for Shared<'_> {
    fn get<'b, 'w>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let not_indexed = || ExecutionError::UnexpectedType {
            got: index.get_type().name().to_owned(),
            want: "an index".to_owned(),
        };
        let is_none =
            |it: &CelDouble| it.inner().fract() != 0.0 || it.inner().abs() > LARGEST_INDEX;
        if index.downcast_ref().is_some_and(is_none) && self.get_type().kind() == Kind::List {
            // The library's own error has a copy of the whole list.
            return Err(not_indexed());
        }
        self.0.as_indexer().ok_or_else(not_indexed)?.get(index)
    }

    fn steal<'w>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.get(index).map(CowVal::into_owned)
    }
}
