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
    let work = async {
        let opened = app::open_table("verify", &settings, args.max_bytes).await?;
        // Read before the table: what is committed then has to be there.
        let committed = match args.to {
            None => app::committed_rows(&settings, &domain, &opened.table).await?,
            Some(_) => None,
        };
        let promised = committed
            .as_ref()
            .map(|all| all.iter().map(|(partition, one)| (*partition, one.promised())).collect());
        let asked = opened.table.ask(args.part(), opened.letters);
        let verified = verify::verify(&opened.table, &asked, promised.as_ref()).await?;
        let reread = match args.deep {
            true => {
                let spans = spans(&verified);
                let of_group = committed.unwrap_or_default();
                let of = app::reread_spans(&settings, &domain, of_group, spans, shutdown.clone());
                Some(of.await?)
            }
            false => None,
        };
        Ok::<_, Failure>((opened, verified, reread))
    };
    let (opened, verified, reread) = signals::unless_stopped(work, &shutdown).await??;
    let page = Page {
        domain: &args.domain,
        target: &opened.target,
        topic: &domain.contract.topic,
        verified: &verified,
        reread: reread.as_deref(),
        letters_elsewhere: !opened.letters,
        is_part: args.from.is_some() || args.to.is_some(),
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
        let all = missing.chain(chain.unproven()).chain(chain.tail_span());
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
            let chain = verified.chains.get(&one.partition);
            chain.is_some_and(|chain| chain.unproven().any(|span| span == one.span))
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
