//! `produce DELIVERY`.

use super::args::ProduceArgs;
use super::{Exit, Failure};
use crate::config::Settings;

pub async fn produce(_: ProduceArgs, _: Settings) -> Result<(), Failure> {
    Err(Failure::new(Exit::Stopped, "`produce` is not built yet"))
}
