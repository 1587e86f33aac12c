//! The runs of the checker: the whole protocol, and the protocol with rules left out.

use super::Run;
use super::rules::{Budget, CALM, PROTOCOL, Rules, Unknown};
use crate::check::{breaks, holds};

/// Faults that are enough to find a counterexample for most missing rules.
const ROUGH: Budget = Budget { kick: 1, crash: 1, cut: 1, ..CALM };

// ---------------------------------------------------------------------- the protocol

#[test]
fn holds_under_lost_answers_and_late_requests() {
    holds("2 cuts", Run::new(PROTOCOL, Budget { cut: 2, ..CALM }));
    holds("cut, crash", Run::new(PROTOCOL, Budget { cut: 1, crash: 1, ..CALM }));
    holds("cut, zombie", Run::new(PROTOCOL, Budget { cut: 1, kick: 1, ..CALM }));
    holds("cut, abort", Run::new(PROTOCOL, Budget { cut: 1, abort: 1, ..CALM }));
}

#[test]
fn holds_under_zombies_and_crashes() {
    holds("2 zombies", Run::new(PROTOCOL, Budget { kick: 2, ..CALM }).records(2));
    holds("2 crashes, abort", Run::new(PROTOCOL, Budget { crash: 2, abort: 1, ..CALM }));
    holds(
        "zombie, crash, abort",
        Run::new(PROTOCOL, Budget { kick: 1, crash: 1, abort: 1, ..CALM }),
    );
}

#[test]
fn holds_when_kafkas_offset_is_late_or_forgotten() {
    let budget = Budget { kick: 1, delay: 1, forget: 1, ..CALM };
    holds("zombie, late commit, forgotten", Run::new(PROTOCOL, budget));
    holds("the same from the latest", Run::new(PROTOCOL, budget).latest());
}

#[test]
fn holds_when_a_standby_server_takes_over_without_the_latest_transactions() {
    holds("failover, zombie", Run::new(PROTOCOL, Budget { failover: 1, kick: 1, ..CALM }));
    holds("failover, cut", Run::new(PROTOCOL, Budget { failover: 1, cut: 1, ..CALM }));
}

#[test]
fn holds_with_three_instances() {
    holds(
        "three, zombie, cut",
        Run::new(PROTOCOL, Budget { kick: 1, cut: 1, ..CALM }).instances(3),
    );
}

// ---------------------------------------------------------------------- rules that may be left out

/// Each update compares `next`, so a batch that is stored again after all is refused, whether the
/// writer has read before or not, and whether its read waited for the transaction or not.
#[test]
fn holds_however_carefully_an_unknown_outcome_is_read() {
    let plain = Rules { lock_on_read: false, ..PROTOCOL };
    let again = Rules { unknown: Unknown::StoreAgain, ..PROTOCOL };
    for budget in [Budget { kick: 1, cut: 1, ..CALM }, Budget { cut: 2, abort: 1, ..CALM }] {
        holds("plain read", Run::new(plain, budget));
        holds("stored again at once", Run::new(again, budget));
    }
}

/// A writer that is wrong about it is refused at its next batch, and claims anew. Unless nothing is
/// stored: then Kafka's offset decides, which such a writer has moved (see below).
#[test]
fn holds_where_an_unknown_outcome_is_taken_for_stored_as_long_as_the_beginning_is_stored() {
    let rules = Rules { unknown: Unknown::AssumeStored, ..PROTOCOL };
    holds("taken for stored", Run::new(rules, Budget { crash: 1, cut: 2, ..CALM }).records(2));
    holds("taken for stored", Run::new(rules, Budget { kick: 1, cut: 1, ..CALM }));
}

/// Comparing `next` keeps the rows right. Comparing `owner` ends a zombie's work at the next claim;
/// without it, the zombie and the owner refuse each other's batches for as long as both live.
#[test]
fn rows_stay_right_where_only_next_is_compared() {
    let rules = Rules { compare_owner: false, ..PROTOCOL };
    for budget in [Budget { kick: 1, cut: 1, ..CALM }, Budget { kick: 1, crash: 1, ..CALM }] {
        holds("next alone", Run::new(rules, budget).zombies_may_store());
    }
    breaks("next alone", Run::new(rules, Budget { kick: 1, ..CALM }));
}

// ---------------------------------------------------------------------- each rule left out

#[test]
fn without_comparing_next_a_late_transaction_repeats_rows() {
    let rules = Rules { compare_next: false, ..PROTOCOL };
    breaks("no next", Run::new(rules, ROUGH));
    breaks("no next, plain read", Run::new(Rules { lock_on_read: false, ..rules }, ROUGH));
}

#[test]
fn comparing_nothing_lets_zombies_repeat_rows() {
    let rules = Rules { compare_next: false, compare_owner: false, ..PROTOCOL };
    let run = Run::new(rules, Budget { kick: 1, ..CALM });
    breaks("no owner, no next", run.zombies_may_store());
}

#[test]
fn rows_without_their_offset_are_repeated() {
    let rules = Rules { one_transaction: false, ..PROTOCOL };
    breaks("two transactions, crash", Run::new(rules, Budget { crash: 1, ..CALM }));
    breaks("two transactions, abort", Run::new(rules, Budget { abort: 1, ..CALM }));
}

#[test]
fn committing_rows_whose_offset_was_refused_repeats_them() {
    let rules = Rules { abort_on_no_row: false, ..PROTOCOL };
    breaks("no abort", Run::new(rules, ROUGH));
}

#[test]
fn a_server_that_waits_for_a_frozen_client_stops_the_next_owner() {
    let rules = Rules { commit_with_update: false, ..PROTOCOL };
    breaks("commit apart", Run::new(rules, CALM));
}

#[test]
fn taking_an_unknown_outcome_for_stored_loses_rows() {
    let rules = Rules { unknown: Unknown::AssumeStored, ..PROTOCOL };
    let budget = Budget { crash: 1, cut: 1, ..CALM };
    let nowhere = Rules { store_beginning: false, ..rules };
    breaks("taken for stored, no beginning", Run::new(nowhere, budget));
    let rules = Rules { compare_next: false, ..rules };
    breaks("taken for stored, no next", Run::new(rules, budget));
}

#[test]
fn storing_again_on_top_of_what_is_found_repeats_rows() {
    let rules = Rules { unknown: Unknown::AssumeLost, ..PROTOCOL };
    breaks("assumed lost", Run::new(rules, Budget { cut: 1, ..CALM }));
}

#[test]
fn reading_where_kafka_stands_repeats_rows() {
    let rules = Rules { database_wins: false, ..PROTOCOL };
    breaks("Kafka wins", Run::new(rules, Budget { crash: 1, ..CALM }));
    breaks("Kafka forgets", Run::new(rules, Budget { kick: 1, forget: 1, ..CALM }));
}

#[test]
fn a_beginning_that_only_kafka_knows_loses_records() {
    let rules = Rules { store_beginning: false, ..PROTOCOL };
    breaks(
        "beginning, forgotten",
        Run::new(rules, Budget { crash: 1, forget: 1, ..CALM }).latest(),
    );
    let zombie = Run::new(rules, Budget { kick: 1, ..CALM });
    breaks("beginning, zombie", zombie.latest().zombies_may_store());
}

#[test]
fn an_idle_owner_does_not_notice_that_the_database_went_back() {
    let rules = Rules { check_when_idle: false, ..PROTOCOL };
    breaks("failover", Run::new(rules, Budget { failover: 1, ..CALM }));
}
