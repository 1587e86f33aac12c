//! Asks the table, and asks again about what it alone cannot say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::chain::{self, Chains, Promised};
use super::statement::Asked;
use super::table::{MOST_PLACES, Table};
use crate::record::{Offset, Partition, Position};
use crate::stop::Stop;

/// How often, and after which pause, the table is asked again for rows that were committed a moment ago.
const FLUSHES: u32 = 5;
const FLUSH: Duration = Duration::from_secs(2);

/// What a table's chain shows.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    pub chains: Chains,
    /// Whether the last row of each partition was compared with what its committed offset says.
    pub tails_checked: bool,
    pub bytes_billed: u64,
    /// Whether the table has more such places than were read.
    pub is_cut: bool,
}

impl Verified {
    pub fn is_complete(&self) -> bool {
        self.chains.values().all(chain::PartitionChain::is_complete)
    }
}

/// Reads the chain. `promised` is what committed offsets say, read before; `None`: nobody knows. It counts
/// where no end was asked for.
pub async fn verify(
    table: &Table,
    asked: &Asked,
    promised: Option<&BTreeMap<Partition, Promised>>,
) -> Result<Verified, Stop> {
    let (places, mut bytes_billed) = table.places(asked).await?;
    let is_cut = places.len() >= MOST_PLACES;
    let mut chains = chain::read(&places, asked.is_part());
    let is_part = asked.is_part();
    let doubtful = chains.iter().flat_map(|(partition, chain)| {
        let at = |offset| Position { partition: *partition, offset };
        chain.doubtful(is_part).map(at).collect::<BTreeSet<_>>()
    });
    let doubtful: Vec<Position> = doubtful.collect();
    if !doubtful.is_empty() {
        let (there, billed) = table.there(asked, &doubtful).await?;
        bytes_billed += billed;
        settle(&mut chains, is_part, &there);
    }
    let promised = promised.filter(|_| asked.to.is_none());
    if let Some(promised) = promised {
        let mut open = BTreeMap::new();
        for (partition, promised) in promised {
            let chain = chains.entry(*partition).or_default();
            chain.promised(*promised);
            open.extend(chain.tail.map(|tail| (*partition, tail)));
        }
        bytes_billed += wait_for(table, asked, &mut chains, open).await?;
    }
    let tails_checked = promised.is_some() && chains.values().all(|chain| chain.tail_is_known);
    Ok(Verified { chains, tails_checked, bytes_billed, is_cut })
}

/// Offsets are committed before their rows are made visible.
async fn wait_for(
    table: &Table,
    asked: &Asked,
    chains: &mut Chains,
    mut open: BTreeMap<Partition, Offset>,
) -> Result<u64, Stop> {
    let mut bytes_billed = 0;
    for _ in 0..FLUSHES {
        if open.is_empty() {
            break;
        }
        tokio::time::sleep(FLUSH).await;
        let positions: Vec<Position> = open
            .iter()
            .map(|(partition, offset)| Position { partition: *partition, offset: *offset })
            .collect();
        let (there, billed) = table.there(asked, &positions).await?;
        bytes_billed += billed;
        open.retain(|partition, offset| {
            !there.contains(&Position { partition: *partition, offset: *offset })
        });
        for at in &there {
            if let Some(chain) = chains.get_mut(&at.partition) {
                chain.tail = None;
            }
        }
    }
    Ok(bytes_billed)
}

fn settle(chains: &mut Chains, is_part: bool, there: &BTreeSet<Position>) {
    for (partition, chain) in chains {
        let of = there.iter().filter(|at| at.partition == *partition);
        chain.settle(is_part, &of.map(|at| at.offset).collect());
    }
}
