//! Dead letters
