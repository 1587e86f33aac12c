//! `dlq`: a domain's dead letters, listed, shown and redriven.

use super::dlq_args::{DlqArgs, DlqCommand, DlqListArgs, DlqShowArgs};
use super::dlq_list_page::{self, Listed};
use super::dlq_open::open;
use super::dlq_redrive;
use super::dlq_show_page;
use super::failure::{Exit, Failure};
use super::load::load;
use super::output;
use super::page::terminal_width;
use super::signals;
use crate::app;
use crate::shutdown::Shutdown;

pub async fn dlq(args: &DlqArgs) -> Result<(), Failure> {
    if args.command.which().is_empty() {
        return Err(Failure::new(Exit::Usage, "--from is not before --to"));
    }
    let shutdown = signals::shutdown()?;
    match &args.command {
        DlqCommand::List(args) => {
            signals::unless_stopped(list(args, shutdown.clone()), &shutdown).await?
        }
        DlqCommand::Show(args) => {
            signals::unless_stopped(show(args, shutdown.clone()), &shutdown).await?
        }
        DlqCommand::Redrive(args) => dlq_redrive::redrive(args, shutdown).await,
    }
}

async fn list(args: &DlqListArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let (loaded, _) = load(&args.domain, args.layers.inputs()).await?;
    let opened = open(&loaded.settings, &args.which, shutdown).await?;
    let overview = opened.store.groups(args.which.period()).await?;
    let listed = Listed {
        domain: &args.domain,
        place: &opened.place,
        group: app::letters_group(&loaded.settings),
        overview: &overview,
    };
    output::print(&match args.json {
        true => dlq_list_page::json(&listed),
        false => dlq_list_page::text(&listed, terminal_width()),
    })
}

async fn show(args: &DlqShowArgs, shutdown: Shutdown) -> Result<(), Failure> {
    let (loaded, _) = load(&args.domain, args.layers.inputs()).await?;
    let opened = open(&loaded.settings, &args.which, shutdown).await?;
    let mut letters = opened.store.letters(args.selection());
    let mut shown = 0_u64;
    while let Some(letter) = letters.next().await {
        let letter = letter?;
        if shown == args.most() {
            if !args.json {
                output::print("there are more letters: --limit N prints them\n")?;
            }
            break;
        }
        output::print(&match args.json {
            true => dlq_show_page::json(&letter, args.payload),
            false => dlq_show_page::text(&letter, args.payload, terminal_width()),
        })?;
        shown += 1;
    }
    if shown == 0 {
        let what = format!("no such letter in {}", opened.place);
        let hint = "`dlq list` has what there is; in a topic --all also looks at those before the \
                    committed offset of their group";
        return Err(Failure::new(Exit::Configuration, what).hint(hint));
    }
    Ok(())
}
