//! What a run would make of a table.

use super::finding::{Finding, Grade};
use crate::error_chain::chain;
use crate::sink::TableLook;

/// The most changes that are listed one by one.
const MOST_LISTED: usize = 20;

/// Judges a table as it was found.
pub fn table(part: &'static str, look: &TableLook) -> Finding {
    let TableLook { table, is_there, changes, refusal, left_out, notes, lacking, .. } = look;
    let with_facts = |finding: Finding| {
        finding
            .fact("table", table.clone())
            .fact("is_there", *is_there)
            .fact("changes", changes.clone())
            .fact("left_out", left_out.clone())
            .fact("notes", notes.clone())
            .fact("lacking_rights", lacking.clone())
    };
    let lacks = lacking.as_deref().unwrap_or_default();
    let kept = |finding: Finding| match notes.is_empty() {
        true => finding,
        false => finding.at_least(Grade::Note).more(notes.iter().cloned()),
    };
    if let Some(stop) = refusal {
        return with_facts(kept(Finding::fails(part, chain(stop), stop.hint.clone())));
    }
    if !lacks.is_empty() {
        let what = format!("{table}: this identity lacks {}", lacks.join(", "));
        return with_facts(kept(
            Finding::fails(part, what, "grant it what is named (docs/reference/check.md)")
                .more(changes.iter().take(MOST_LISTED).map(|change| format!("would {change}"))),
        ));
    }
    let there = if *is_there { table.clone() } else { format!("{table} is not there") };
    let finding = match &changes[..] {
        [] => Finding::ok(part, there),
        [one] => Finding::new(part, Grade::WouldAlter, format!("{there}; a run would {one}")),
        all => {
            let cut = all.len().saturating_sub(MOST_LISTED);
            let cut = (cut > 0).then(|| format!("and {cut} more"));
            let what = format!("{there}; a run would make {} changes", all.len());
            let listed = all.iter().take(MOST_LISTED).cloned();
            Finding::new(part, Grade::WouldAlter, what).more(listed).more(cut)
        }
    };
    let finding = match *is_there && !changes.is_empty() {
        true => finding.hint("MANAGE_TABLE=false leaves the table as it is"),
        false => finding,
    };
    let finding = match left_out.is_empty() {
        true => finding,
        false => finding
            .at_least(Grade::Note)
            .more([format!("the table lacks {}: their values are left out", left_out.join(", "))])
            .hint("add the columns, or set MANAGE_TABLE=true"),
    };
    with_facts(kept(finding))
}
