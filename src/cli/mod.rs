//! The command line. Each subcommand has its own file.

mod api;
mod api_page;
pub mod args;
mod check;
mod check_args;
mod check_page;
mod config;
mod dashboard;
mod dashboard_args;
mod dlq;
mod dlq_args;
mod dlq_list_page;
mod dlq_open;
mod dlq_redrive;
mod dlq_show_page;
mod dlq_trial_page;
mod envelope;
mod event_file;
mod failure;
mod fill;
mod generate;
mod generated;
mod generated_args;
mod import_args;
mod import_icm;
mod import_page;
mod layer_args;
mod load;
mod local;
mod metrics_file;
mod otlp;
mod output;
mod pace;
mod page;
mod produce;
mod produce_target;
mod progress;
mod replay;
mod replay_args;
mod replay_page;
mod report_page;
mod results;
mod results_args;
mod results_page;
mod row_page;
mod rules;
mod rules_args;
mod run;
mod sent;
mod settings_page;
mod signals;
#[cfg(test)]
mod tests;
mod time_args;
mod to_api;
mod to_topic;
mod transfer;
mod transfer_args;
mod transfer_days;
mod transfer_page;
mod transfer_progress;
mod transfer_settings;
mod transfer_status;
mod transfer_status_page;
mod validate;
mod verify;
mod verify_args;
mod verify_page;
pub mod version;

pub use args::Args;
pub use failure::{Exit, Failure};
pub use output::say;

use args::Command;
use load::load;

/// Runs the command. Has to be called inside a tokio runtime.
pub async fn dispatch(args: Args) -> Result<(), Failure> {
    match args.into_command() {
        Command::Run(args) => run::run(args).await,
        Command::Validate(args) => {
            let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
            validate::validate(&args, &loaded.settings, &fetcher).await
        }
        Command::Produce(args) => {
            let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
            produce::produce(args, loaded.settings, &fetcher).await
        }
        Command::Api(args) => api::api(&args).await,
        Command::Results(args) => results::results(&args).await,
        Command::Dashboard(args) => dashboard::dashboard(&args).await,
        Command::Rules(args) => rules::rules(&args),
        Command::Check(args) => check::check(&args).await,
        Command::Verify(args) => verify::verify(&args).await,
        Command::Replay(args) => replay::replay(&args).await,
        Command::Dlq(args) => dlq::dlq(&args).await,
        Command::Transfer(args) => transfer::transfer(args).await,
        Command::Config(args) => config::config(&args).await,
        Command::ImportIcm(args) => import_icm::import(&args),
        Command::Local(args) => local::local(args).await,
        Command::Completions(args) => generated::completions(&args),
        Command::Man(args) => generated::man(&args),
        Command::Schema(args) => generated::schema(&args),
    }
}
