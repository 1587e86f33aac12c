//! `transfer status NAME`: what is known of a transfer.

use super::failure::Failure;
use super::output;
use super::transfer_args::StatusArgs;
use super::transfer_settings;
use super::transfer_status_page::{json, page};
use crate::app;
use crate::clock::Clock;

/// Prints the last runs, those that go on, and what interrupted ones have left.
pub async fn status(args: &StatusArgs) -> Result<(), Failure> {
    let (settings, _) = transfer_settings::load(&args.name, args.inputs()).await?;
    let now_ms = Clock::System.now_micros() / 1_000;
    let (target, status) = app::transfer_status(&settings, args.last, now_ms).await?;
    let text = match args.json {
        true => json(&settings.name, &target, &status),
        false => page(&settings.name, &target, &status, args.last, now_ms),
    };
    output::print(&text)
}
