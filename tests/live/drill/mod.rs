//! `make drill`: incidents are brought about on real peers, and docs/drills.md is what one does about
//! them. Its commands are run as they stand there, its alerts are the rendered rules, and what it
//! says one sees is compared with what there is to see. Each drill ends verified.

mod bigquery_quota;
mod broker_down;
mod course;
mod expired_stream;
mod lost_offsets;
mod page;
mod poison_deployment;
mod recreated_topic;
mod rehearsal;

/// No section is only read. `make live` runs two of them, `make drill` all.
#[test]
fn every_incident_of_the_page_is_drilled() {
    let here = include_str!("mod.rs");
    for name in page::sections().keys() {
        let module = name.replace('-', "_");
        assert!(here.contains(&format!("\nmod {module};")), "no drill for {name}");
    }
    assert_eq!(page::sections().len(), 6);
}
