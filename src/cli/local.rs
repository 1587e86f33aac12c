//! `local bigquery`, `local rows`.

use super::args::LocalArgs;
use super::{Exit, Failure};

pub async fn local(_: LocalArgs) -> Result<(), Failure> {
    Err(Failure::new(Exit::Stopped, "`local` is not built yet"))
}
