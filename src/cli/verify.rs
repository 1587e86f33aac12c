//! `verify DELIVERY`: whether the domain's table has each of its rows once.

use super::failure::{Exit, Failure};
use super::load::load;
use super::output;
use super::signals;
use super::verify_args::VerifyArgs;
use super::verify_page::{self, Page};
use crate::app;
use crate::record::Partition;
use crate::verify::{self, Reread, Span, Verified};

/// Prints what is missing and what is there twice, and fails if there is something.
pub async fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(Failure::new(Exit::Usage, "--from is not before --to"));
    }
    let shutdown = signals::shutdown()?;
    let (loaded, fetcher) = load(&args.domain, args.inputs()).await?;
    let settings = loaded.settings;
    let domain = app::domain(&settings, &fetcher).await?;
    let opened = app::open_table("verify", &settings, args.max_bytes).await?;
    let work = async {
        // Read before the table: what is committed then has to be there.
        let promised = match args.to {
            None => app::committed_rows(&settings, &domain, &opened.table).await?,
            Some(_) => None,
        };
        let promised = promised.map(|all| {
            let last_row =
                |(partition, one): (_, app::CommittedRows)| Some((partition, one.last_row?));
            all.into_iter().filter_map(last_row).collect()
        });
        let asked = opened.table.ask(args.part(), opened.letters);
        let verified = verify::verify(&opened.table, &asked, promised.as_ref()).await?;
        let reread = match args.deep {
            true => {
                let spans = spans(&verified);
                Some(app::reread_spans(&settings, &domain, spans, shutdown.clone()).await?)
            }
            false => None,
        };
        Ok::<_, Failure>((verified, reread))
    };
    let (verified, reread) = signals::unless_stopped(work, &shutdown).await??;
    let page = Page {
        domain: &args.domain,
        target: &opened.target,
        topic: &domain.contract.topic,
        verified: &verified,
        reread: reread.as_deref(),
        letters_elsewhere: !opened.letters,
    };
    output::print(&if args.json { verify_page::json(&page) } else { verify_page::text(&page) })?;
    match wrong(&verified, reread.as_deref()) {
        None => Ok(()),
        Some(what) => {
            let hint = "docs/reference/verify.md says what each means and what to do";
            Err(Failure::new(Exit::Configuration, what).hint(hint))
        }
    }
}

/// What may be read again.
fn spans(verified: &Verified) -> Vec<(Partition, Span)> {
    let of = |(partition, chain): (&Partition, &verify::PartitionChain)| {
        let missing = chain.missing.iter().map(|missing| missing.span);
        let all = missing.chain(chain.unproven.iter().copied()).chain(chain.tail_span());
        all.map(|span| (*partition, span)).collect::<Vec<_>>()
    };
    verified.chains.iter().flat_map(of).collect()
}

fn wrong(verified: &Verified, reread: Option<&[Reread]>) -> Option<String> {
    let chains = || verified.chains.values();
    let repeated: usize = chains().map(|chain| chain.repeated.len()).sum();
    let missing: usize =
        chains().map(|chain| chain.missing.len() + usize::from(chain.tail.is_some())).sum();
    let unproven: u64 = reread.map_or(0, |all| {
        let of_unproven = |one: &&Reread| {
            verified.chains.get(&one.partition).is_some_and(|it| it.unproven.contains(&one.span))
        };
        all.iter().filter(of_unproven).map(|one| one.fates.rows).sum()
    });
    let mut what = Vec::new();
    if missing > 0 {
        what.push(format!("rows are missing at {missing} {}", verify_page::places(missing)));
    }
    if repeated > 0 {
        what.push(format!(
            "{repeated} {} there more than once",
            match repeated {
                1 => "row is",
                _ => "rows are",
            }
        ));
    }
    if unproven > 0 {
        what.push(format!("{unproven} records of unproven offsets would be rows"));
    }
    (!what.is_empty()).then(|| what.join("; "))
}
