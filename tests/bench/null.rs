//! Runs the source and the transcoder without a sink. The difference to the whole consumer is the
//! cost of everything else.

use std::time::Duration;

use clap::Args;
use generic_consumer::app::{Domain, RowOptions};
use generic_consumer::clock::Clock;
use generic_consumer::config::{self, Broker, Inputs, StartFrom};
use generic_consumer::contract::Documents;
use generic_consumer::record::{Offset, Transcoded};
use generic_consumer::row::RowBuffer;
use generic_consumer::source::{Beginning, Polled, Rebalance, Source, client};
use generic_consumer::transcode::Ingestion;
use serde_json::json;

use crate::Done;

#[derive(Args)]
pub struct NullArgs {
    /// The domain, like the consumer's first argument; its configuration is in the working folder
    domain: String,
}

/// Reads every partition from its first record to its end, and prints the counts.
pub fn drain(args: &NullArgs) -> Done {
    let settings = config::load(&args.domain, &Inputs::of_process())
        .map_err(|mistakes| format!("{mistakes:?}"))?
        .settings;
    let Broker::Servers(servers) = &settings.consume.broker else {
        return Err("null reads from a Kafka broker, not from the embedded one".into());
    };
    let options = RowOptions::new(&settings.contract, settings.write.rows());
    let domain = Domain::load(&settings.contract, options, &Documents::default())?;
    let mut plan = domain.plan(&domain.columns)?;
    let config = client::consumer_config(&settings.consume, servers);
    let mut source = Source::open(&config, &domain.contract.topic)?;
    let mut rows = RowBuffer::with_capacity(1 << 20);
    let (mut written, mut ignored, mut rejected) = (0, 0, 0);
    let mut ends = Vec::new();
    loop {
        match source.poll(Duration::from_millis(100))? {
            Polled::Record(record) => {
                match plan.transcode(
                    &record.event(),
                    Ingestion::at(Clock::System.now_micros()),
                    &mut rows,
                ) {
                    Transcoded::Row => written += 1,
                    Transcoded::Ignored(_) => ignored += 1,
                    Transcoded::Rejected(_) => rejected += 1,
                }
                if rows.bytes() >= 1 << 20 {
                    rows = RowBuffer::with_capacity(1 << 20);
                }
            }
            Polled::Rebalance => {
                for rebalance in source.rebalances() {
                    let Rebalance::Assigned(partitions) = rebalance else { continue };
                    ends.extend(source.ends_of_log(&partitions, StartFrom::Latest)?);
                    let starts: Vec<_> = partitions
                        .into_iter()
                        .map(|partition| Beginning { partition, offset: Offset(0), check: None })
                        .collect();
                    source.assign(&starts)?;
                }
            }
            Polled::Nothing => {
                let ended = |(partition, end): &(_, _)| source.has_read_to(*partition, *end);
                if !ends.is_empty() && ends.iter().all(ended) {
                    break;
                }
            }
        }
    }
    println!("{}", json!({ "rows": written, "ignored": ignored, "rejected": rejected }));
    Ok(())
}
