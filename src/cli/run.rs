//! `run DELIVERY`.

use super::args::RunArgs;
use super::{Exit, Failure};
use crate::config::Settings;

pub async fn run(_: RunArgs, _: Settings) -> Result<(), Failure> {
    Err(Failure::new(Exit::Stopped, "`run` is not built yet"))
}
