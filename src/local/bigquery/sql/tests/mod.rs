//! Tests of GoogleSQL: each row of a table is a statement and what it gives.

mod errors;
mod expressions;
mod fixture;
mod merges;
mod queries;
mod statements;
