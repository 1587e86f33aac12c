//! `dlq`: a domain's dead letters, listed, shown, and tried again without writing them.

use super::dlq_args::{DlqArgs, DlqCommand, DlqListArgs, DlqRedriveArgs, DlqShowArgs, WhichArgs};
use super::dlq_list_page::{self, Listed};
use super::dlq_show_page;
use super::dlq_trial_page::{self, Tries};
use super::failure::{Exit, Failure};
use super::load::load;
use super::output;
use super::page::terminal_width;
use super::signals;
use crate::app::{self, HowLetters, OpenedLetters};
use crate::shutdown::Shutdown;

pub async fn dlq(args: &DlqArgs) -> Result<(), Failure> {
    let shutdown = signals::shutdown()?;
    let work = async {
        match &args.command {
            DlqCommand::List(args) => list(args, shutdown.clone()).await,
            DlqCommand::Show(args) => show(args, shutdown.clone()).await,
            DlqCommand::Redrive(args) => redrive(args, shutdown.clone()).await,
        }
    };
    signals::unless_stopped(work, &shutdown).await?
}

async fn list(args: &DlqListArgs, shutdown: Shutdown) -> Result<(), Failure> {
    check(&args.which)?;
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
    check(&args.which)?;
    let (loaded, _) = load(&args.domain, args.layers.inputs()).await?;
    let opened = open(&loaded.settings, &args.which, shutdown).await?;
    let mut letters = opened.store.letters(args.selection());
    let mut shown = 0_u64;
    while let Some(letter) = letters.next().await {
        let letter = letter?;
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

async fn redrive(args: &DlqRedriveArgs, shutdown: Shutdown) -> Result<(), Failure> {
    check(&args.which)?;
    let (loaded, fetcher) = load(&args.domain, args.layers.inputs()).await?;
    let settings = loaded.settings;
    let domain = app::domain(&settings, &fetcher).await?;
    let mut opened = open(&settings, &args.which, shutdown).await?;
    let trial = app::try_letters(&settings, &domain, &mut opened, args.selection()).await?;
    let tries = Tries {
        domain: &args.domain,
        place: &opened.place,
        target: &settings.write.sink.target(),
        contract: &domain.contract.id,
        trial: &trial,
    };
    output::print(&match args.json {
        true => dlq_trial_page::json(&tries),
        false => dlq_trial_page::text(&tries, terminal_width()),
    })
}

fn check(which: &WhichArgs) -> Result<(), Failure> {
    match which.is_empty() {
        true => Err(Failure::new(Exit::Usage, "--from is not before --to")),
        false => Ok(()),
    }
}

async fn open(
    settings: &crate::config::Settings,
    which: &WhichArgs,
    shutdown: Shutdown,
) -> Result<OpenedLetters, Failure> {
    let how = HowLetters { most_bytes: which.max_bytes, all: which.all, shutdown };
    Ok(app::open_letters(settings, how).await?)
}
