//! The runs of the checker: the whole protocol, and the protocol with rules left out.

use super::Run;
use super::rules::{Budget, CALM, PROTOCOL, Rules, Unknown};
use crate::check::{breaks, holds};

/// A zombie, and a commit of unknown outcome.
const ROUGH: Budget = Budget { kick: 1, fail: 1, ..CALM };

// ---------------------------------------------------------------------- the protocol

#[test]
fn holds_under_zombies_and_crashes() {
    holds("2 zombies", Run::new(PROTOCOL, Budget { kick: 2, ..CALM }));
    holds("2 crashes", Run::new(PROTOCOL, Budget { crash: 2, ..CALM }));
    holds("zombie, crash", Run::new(PROTOCOL, Budget { kick: 1, crash: 1, ..CALM }));
}

#[test]
fn holds_where_the_outcome_of_a_commit_is_unknown() {
    holds("2 failures", Run::new(PROTOCOL, Budget { fail: 2, ..CALM }));
    holds("failure, zombie", Run::new(PROTOCOL, ROUGH));
}

#[test]
fn holds_where_requests_are_sent_twice() {
    holds("2 copies", Run::new(PROTOCOL, Budget { copy: 2, ..CALM }));
    holds("copy, zombie", Run::new(PROTOCOL, Budget { copy: 1, kick: 1, ..CALM }));
    holds("copy, failure", Run::new(PROTOCOL, Budget { copy: 1, fail: 1, ..CALM }));
}

#[test]
fn holds_where_the_coordinator_aborts() {
    holds("timeout, zombie", Run::new(PROTOCOL, Budget { timeout: 1, kick: 1, ..CALM }));
    holds("timeout, crash", Run::new(PROTOCOL, Budget { timeout: 1, crash: 1, ..CALM }));
}

#[test]
fn holds_with_three_instances() {
    holds("three, zombie", Run::new(PROTOCOL, Budget { kick: 1, ..CALM }).instances(3));
}

// ---------------------------------------------------------------------- rules that may be left out

/// A new epoch is given only when the markers of the transaction before are written, and nobody else
/// can begin one then. So the offset that is read is stable anyway.
#[test]
fn holds_without_a_stable_read_after_a_new_epoch() {
    let rules = Rules { stable_read: false, ..PROTOCOL };
    holds("unstable read", Run::new(rules, ROUGH));
}

// ---------------------------------------------------------------------- each rule left out

#[test]
fn without_epochs_a_zombie_writes_into_the_owners_transaction() {
    let rules = Rules { fence: false, ..PROTOCOL };
    breaks("no fence", Run::new(rules, Budget { kick: 1, ..CALM }));
}

#[test]
fn an_offset_that_is_read_before_the_epoch_is_taken_is_old() {
    let rules = Rules { epoch_before_read: false, ..PROTOCOL };
    breaks("read first", Run::new(rules, Budget { kick: 1, ..CALM }));
}

#[test]
fn rows_without_their_offset_are_repeated() {
    let rules = Rules { one_transaction: false, ..PROTOCOL };
    breaks("two transactions", Run::new(rules, Budget { crash: 1, ..CALM }));
}

#[test]
fn a_transaction_that_a_new_epoch_leaves_open_is_committed_with_the_next() {
    let rules = Rules { abort_on_new_epoch: false, ..PROTOCOL };
    breaks("left open", Run::new(rules, Budget { crash: 1, ..CALM }));
}

#[test]
fn guessing_the_outcome_of_a_commit_loses_or_repeats_rows() {
    let stored = Rules { unknown: Unknown::AssumeStored, ..PROTOCOL };
    breaks("taken for stored", Run::new(stored, Budget { fail: 1, ..CALM }));
    let lost = Rules { unknown: Unknown::AssumeLost, ..PROTOCOL };
    breaks("taken for lost", Run::new(lost, Budget { fail: 1, ..CALM }));
}

#[test]
fn a_copy_of_a_request_becomes_part_of_a_later_transaction() {
    let rules = Rules { new_epoch_after_copies: false, ..PROTOCOL };
    breaks("same epoch", Run::new(rules, Budget { copy: 1, ..CALM }));
}

#[test]
fn a_plain_commit_that_is_late_moves_the_group_back() {
    let rules = Rules { no_plain_commit: false, ..PROTOCOL };
    breaks("plain commit", Run::new(rules, Budget { delay: 1, crash: 1, ..CALM }));
}
