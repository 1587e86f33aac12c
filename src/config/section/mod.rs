//! One file a section of the settings: each reads its keys and says what is wrong with them.

mod consume;
mod contract;
mod limits;
mod process;
mod properties;
mod write;

#[cfg(test)]
pub use properties::refused as refused_properties;

use super::keys::Key;
use super::mistake::Mistake;
use super::reader::Reader;
use super::settings::{ContractSettings, Settings};

pub use write::Rows;

/// All sections; `None` where one of them noted a mistake. None stops another from being read.
/// `check` is asked as soon as the contract's own keys are right.
pub fn read(reader: &mut Reader<'_>, check: Check<'_>) -> Option<Settings> {
    let contract = contract::read(reader);
    let rows = write::rows(reader);
    if let (Some(contract), Some(rows)) = (&contract, &rows) {
        for complaint in check(contract, rows) {
            complain(reader, complaint);
        }
    }
    let consume = consume::read(reader);
    let write = write::read(reader, rows);
    let dead_letter = write::dead_letter(reader);
    let limits = limits::read(reader);
    let metrics_addr = process::metrics_addr(reader);
    let disabled = process::disabled(reader);
    Some(Settings {
        domain: reader.domain.to_owned(),
        contract: contract?,
        consume: consume?,
        write: write?,
        dead_letter: dead_letter?,
        limits: limits?,
        metrics_addr: metrics_addr?,
        disabled: disabled?,
    })
}

/// Looks at more than texts: the contract that the settings name.
pub type Check<'a> = &'a mut dyn FnMut(&ContractSettings, &Rows) -> Vec<Complaint>;

/// What a check found wrong.
#[derive(Debug)]
pub struct Complaint {
    /// The key whose value led there.
    pub key: &'static Key,
    pub found: String,
    pub accepted: String,
}

fn complain(reader: &mut Reader<'_>, complaint: Complaint) {
    let Some(found) = reader.text(complaint.key) else { return };
    reader.mistakes.push(Mistake {
        key: found.entry.written,
        at: Some((found.layer, found.entry.place)),
        found: complaint.found,
        accepted: complaint.accepted,
    });
}
