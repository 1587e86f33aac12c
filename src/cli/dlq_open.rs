//! Opens the letters that the arguments of `dlq` name.

use super::dlq_args::WhichArgs;
use super::failure::Failure;
use crate::app::{self, HowLetters, OpenedLetters};
use crate::config::Settings;
use crate::shutdown::Shutdown;

/// Connects to where the letters are.
pub async fn open(
    settings: &Settings,
    which: &WhichArgs,
    shutdown: Shutdown,
) -> Result<OpenedLetters, Failure> {
    let how = HowLetters { most_bytes: which.max_bytes, all: which.all, shutdown };
    Ok(app::open_letters(settings, how).await?)
}
