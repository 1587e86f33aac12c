//! Which contract, and what of it is left out.

use std::path::PathBuf;

use crate::config::keys::{CONTRACTS_DIR, IGNORE_EVENTS, IMPORT_OBJECT, IMPORT_PATH};
use crate::config::reader::{Reader, Wrong};
use crate::config::settings::ContractSettings;
use crate::config::values;

pub fn read(reader: &mut Reader<'_>) -> Option<ContractSettings> {
    let dir = reader.required(&CONTRACTS_DIR, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(PathBuf::from(text)),
    });
    let import_path = reader.required(&IMPORT_PATH, document);
    let import_object = reader.required(&IMPORT_OBJECT, |text| match text {
        "" => Err(Wrong::plain()),
        _ => Ok(text.to_owned()),
    });
    let ignore_events = ignore_events(reader);
    Some(ContractSettings {
        dir: dir?,
        import_path: import_path?,
        import_object: import_object?,
        ignore_events: ignore_events?,
    })
}

/// A path in dots: nothing in it can lead out of the contracts' folder.
fn document(text: &str) -> Result<String, Wrong> {
    if text.split('.').any(|part| values::name(part, b"_-", 255).is_err()) {
        return Err(Wrong::because("the ending (.yaml, .yml, .json) is left away"));
    }
    Ok(text.to_owned())
}

fn ignore_events(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let found = reader.text(&IGNORE_EVENTS)?;
    match values::event_types(found.entry.text.trim()) {
        Ok(events) => {
            // Whatever form it has, the list is shown as a list.
            reader.show(&found, &format!("[{}]", events.join(", ")));
            Some(events)
        }
        Err(Wrong(why)) => {
            reader.wrong(&found, format!("{}; {why}", IGNORE_EVENTS.accepted));
            None
        }
    }
}
