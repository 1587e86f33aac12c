//! One file a section of the settings: each reads its keys and says what is wrong with them.

mod consume;
mod contract;
mod limits;
mod process;
mod properties;
mod write;

#[cfg(test)]
pub use properties::refused as refused_properties;

use super::reader::Reader;
use super::settings::Settings;

/// All sections; `None` where one of them noted a mistake. None stops another from being read.
pub fn read(reader: &mut Reader<'_>) -> Option<Settings> {
    let contract = contract::read(reader);
    let consume = consume::read(reader);
    let write = write::read(reader);
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
