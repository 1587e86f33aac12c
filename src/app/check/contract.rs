//! What the contract, FILTER and RULES say.

use crate::app::domain::{Domain, Reports};
use crate::check::{Finding, Grade, counted};
use crate::config::Settings;

/// Of a domain whose contract, filter and rules can be used.
pub fn findings(domain: &Domain, settings: &Settings) -> Vec<Finding> {
    let contract = &domain.contract;
    let ignored = match domain.ignored() {
        [] => String::new(),
        ignored => format!(", {} ignored", ignored.len()),
    };
    let columns = domain.written().columns.columns.len();
    let events = counted(contract.events.len(), "event type");
    let what = format!("{events}{ignored}, {}", counted(columns, "column"));
    let mut findings = vec![
        Finding::ok("contract", what)
            .more([contract.id.clone()])
            .fact("contract", contract.id.clone())
            .fact("event_types", contract.events.len())
            .fact("ignored", domain.ignored().to_vec())
            .fact("columns", columns),
    ];
    if let (Some(filter), Some(of)) = (&domain.filter, &settings.contract.filter) {
        let lacking: Vec<String> = filter
            .undeclared(contract, domain.ignored())
            .into_iter()
            .map(|(field, types)| {
                format!(
                    "{field} is not declared by {}: no answer where it is missing",
                    types.join(", ")
                )
            })
            .collect();
        let grade = if lacking.is_empty() { Grade::Ok } else { Grade::Note };
        let finding = Finding::new("filter", grade, of.expression.clone());
        let hint = "FILTER_ON_ERROR decides; `has(…)` and `.?` ask whether a field is there";
        findings.push(match lacking.is_empty() {
            true => finding,
            false => finding.more(lacking).hint(hint),
        });
    }
    if let Some(Reports { rules, domain: reports }) = domain.reports.as_deref() {
        let count = counted(rules.len(), "rule");
        let what = format!("{count} of {}; reports by {}", rules.version(), reports.contract.id);
        let finding = Finding::ok("rules", what).fact("rules", rules.len());
        let fetches = settings.steps.as_ref().is_some_and(|steps| steps.fetch.is_some());
        let unseen = "not looked at: the objects; none is fetched, so no rule is applied";
        findings.push(finding.more(fetches.then(|| unseen.to_owned())));
    }
    findings
}
