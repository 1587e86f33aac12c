//! Layers of text become one validated [`Settings`]; nothing past this module sees a raw value.

pub mod secret;
pub mod settings;

pub use secret::Secret;
pub use settings::*;
