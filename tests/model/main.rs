//! Checks the exactly-once protocol with the `stateright` model checker. The whole protocol must
//! hold under every fault that a budget allows. With a rule left out, the checker must find a
//! counterexample, except for rules that are needed only in pairs or not at all.
//! docs/adr/0001-exactly-once.md describes the protocol.

mod check;
mod rules;
mod state;
mod steps;
mod stored;
mod transactions;

use check::{ALL_DONE, Action, breaks, holds};
use rules::{Budget, Kind, PROTOCOL, Rules};
use state::State;
use stateright::{Model, Property};
use steps::World;

use Kind::{Bad, Ignored, Rejected, Row};

/// One run of the checker.
#[derive(Clone)]
struct Run {
    rules: Rules,
    records: Vec<Kind>,
    procs: usize,
    budget: Budget,
    cooperative: bool,
    finalized_refuses_flush: bool,
}

impl Run {
    fn new(rules: Rules, budget: Budget) -> Self {
        let records = vec![Row, Ignored, Row];
        Self { rules, records, procs: 2, budget, cooperative: true, finalized_refuses_flush: true }
    }

    fn records(self, records: &[Kind]) -> Self {
        Self { records: records.to_vec(), ..self }
    }

    fn steps(&self, state: &State) -> Vec<steps::Step> {
        let mut world = World {
            rules: &self.rules,
            records: &self.records,
            procs: self.procs,
            finalized_refuses_flush: self.finalized_refuses_flush,
            cooperative: self.cooperative,
            steps: Vec::with_capacity(16),
        };
        world.of(state);
        world.steps
    }

    fn is_complete(&self, state: &State) -> bool {
        let seen = state.visible();
        state.broker.committed.offset as usize == self.records.len()
            && self.records.iter().enumerate().all(|(record, kind)| match kind {
                Row => seen[record] == 1,
                Ignored => true,
                Rejected | Bad => state.letters & (1 << record) != 0,
            })
    }
}

impl Model for Run {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.procs, self.budget)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, step) in self.steps(state).iter().enumerate() {
            let fault = if step.fault { " (fault)" } else { "" };
            let words = format!("{} {}: {}{fault}", step.who, step.proc, step.what);
            actions.push(Action { index, words });
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let step = self.steps(state).into_iter().nth(action.index)?;
        Some(*step.after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no row is visible twice", |_: &Run, state: &State| {
                state.visible().iter().all(|times| *times <= 1)
            }),
            Property::always("no commit loses a record", |run: &Run, state: &State| {
                (0..state.broker.committed.offset)
                    .all(|record| state.is_accounted(record, run.records[record as usize]))
            }),
            Property::always("the committed offset never decreases", |_: &Run, state: &State| {
                state.broker.committed.offset == state.broker.highest
            }),
            Property::always("rows of a stream are in order", |_: &Run, state: &State| {
                state.streams.iter().all(|stream| {
                    stream.rows[..stream.flushed as usize].windows(2).all(|pair| pair[0] < pair[1])
                })
            }),
            Property::always("every final state is complete", |run: &Run, state: &State| {
                let goes_on = run.steps(state).iter().any(|step| !step.fault);
                goes_on || run.is_complete(state)
            }),
            Property::sometimes(ALL_DONE, |run: &Run, state: &State| run.is_complete(state)),
        ]
    }
}

const CALM: Budget = Budget {
    crash: 0,
    kick: 0,
    rebalance: 0,
    lost: 0,
    delay: 0,
    late_join: 0,
    leave: 0,
    txn_timeout: 0,
};
/// Faults that are enough to find a counterexample for most missing rules.
const ROUGH: Budget = Budget { crash: 1, kick: 1, delay: 1, ..CALM };

// ---------------------------------------------------------------------- the protocol

#[test]
fn holds_under_lost_responses() {
    holds("lost response, crash", Run::new(PROTOCOL, Budget { crash: 1, lost: 1, ..CALM }));
    holds("lost response, zombie", Run::new(PROTOCOL, Budget { kick: 1, lost: 1, ..CALM }));
    holds("2 lost responses", Run::new(PROTOCOL, Budget { lost: 2, ..CALM }).records(&[Row, Row]));
}

#[test]
fn holds_under_late_requests() {
    holds("late, crash", Run::new(PROTOCOL, Budget { crash: 1, delay: 1, ..CALM }));
    holds("late, zombie", Run::new(PROTOCOL, Budget { kick: 1, delay: 1, ..CALM }));
    holds(
        "two late requests",
        Run::new(PROTOCOL, Budget { delay: 2, ..CALM }).records(&[Row, Row]),
    );
}

/// Combines many faults. Takes minutes and gigabytes of memory, so only `make model` runs it.
#[test]
#[ignore = "takes minutes and gigabytes of memory: run `make model`"]
fn holds_under_all_faults_together() {
    let budget = Budget { crash: 1, kick: 1, delay: 1, lost: 1, ..CALM };
    let rebalances = Budget { rebalance: 1, late_join: 1, kick: 1, delay: 1, ..CALM };
    holds("rebalances", Run::new(PROTOCOL, rebalances).records(&[Row, Row]));
    holds("all together", Run::new(PROTOCOL, budget).records(&[Row, Row]));
    let budget = Budget { crash: 1, kick: 1, delay: 1, ..CALM };
    holds("crash, zombie, late", Run::new(PROTOCOL, budget));
}

#[test]
fn holds_under_rebalances_and_late_joins() {
    let budget = Budget { rebalance: 1, late_join: 1, kick: 1, ..CALM };
    holds("rebalance, zombie", Run::new(PROTOCOL, budget).records(&[Row, Row]));
    let budget = Budget { rebalance: 1, late_join: 1, delay: 1, ..CALM };
    holds("rebalance, late", Run::new(PROTOCOL, budget).records(&[Row, Row]));
}

#[test]
fn holds_under_crashes_and_transaction_timeouts() {
    let budget = Budget { crash: 2, txn_timeout: 1, ..CALM };
    holds("crashes", Run::new(PROTOCOL, budget).records(&[Row, Row]));
}

#[test]
fn holds_when_members_leave() {
    let run = Run::new(PROTOCOL, Budget { leave: 1, delay: 1, ..CALM });
    holds("leaving", run.records(&[Row, Row]));
}

#[test]
fn holds_with_eager_members() {
    let budget = Budget { crash: 1, rebalance: 1, ..CALM };
    let run = Run { cooperative: false, ..Run::new(PROTOCOL, budget) };
    holds("eager", run.records(&[Row, Row]));
}

#[test]
fn holds_with_three_consumers() {
    let budget = Budget { kick: 1, ..CALM };
    holds("three consumers", Run { procs: 3, ..Run::new(PROTOCOL, budget) }.records(&[Row, Row]));
}

#[test]
fn holds_with_dead_letters_and_row_errors() {
    let [crash, late] = [Budget { crash: 1, ..CALM }, Budget { delay: 1, ..CALM }];
    for budget in [crash, late, Budget { lost: 1, ..CALM }] {
        holds("row errors", Run::new(PROTOCOL, budget).records(&[Row, Bad, Row]));
        holds("dead letters", Run::new(PROTOCOL, budget).records(&[Rejected, Row, Rejected]));
    }
}

// ---------------------------------------------------------------------- rules that may be left out

/// A session that reuses the transactional id aborts the previous session's pending transaction at
/// once. With a new id, it waits until the broker aborts that transaction at its timeout. Late
/// requests are refused either way.
#[test]
fn holds_with_a_new_transactional_id_per_session() {
    let rules = Rules { same_transactional_id: false, ..PROTOCOL };
    let budget = Budget { kick: 1, delay: 1, ..CALM };
    holds("new id, zombie", Run::new(rules, budget).records(&[Row, Row]));
    let budget = Budget { delay: 2, ..CALM };
    holds("new id, late", Run::new(rules, budget).records(&[Row, Row]));
}

/// New streams and the strict reading of `ALREADY_EXISTS` protect against the same mistakes: either
/// alone is enough. The tests below leave out both.
#[test]
fn holds_with_either_new_streams_or_strict_already_exists() {
    let any = Rules { exists_only_same: false, ..PROTOCOL };
    let stay = Rules { fresh_on_row_errors: false, ..PROTOCOL };
    let old = Rules { fresh_stream: false, ..PROTOCOL };
    for (name, rules) in [("any exists", any), ("same stream", stay), ("old stream", old)] {
        let run = Run::new(rules, Budget { crash: 1, ..CALM });
        holds(name, run.records(&[Row, Bad, Row]));
        let run = Run::new(rules, Budget { delay: 1, ..CALM });
        holds(name, run.records(&[Bad, Row, Row]));
    }
}

// ---------------------------------------------------------------------- each rule left out

#[test]
fn flushing_before_the_commit_repeats_rows() {
    breaks(
        "flush before commit",
        Run::new(Rules { commit_before_flush: false, ..PROTOCOL }, ROUGH),
    );
}

#[test]
fn flushing_beyond_the_commit_repeats_rows() {
    breaks("flush all", Run::new(Rules { flush_committed_only: false, ..PROTOCOL }, ROUGH));
}

#[test]
fn without_a_flush_on_assignment_rows_stay_invisible() {
    breaks("no flush on assign", Run::new(Rules { flush_on_assign: false, ..PROTOCOL }, ROUGH));
}

#[test]
fn a_queued_commit_is_stamped_with_a_later_generation() {
    let rules = Rules { captured_membership: false, ..PROTOCOL };
    breaks("queued commit", Run::new(rules, Budget { kick: 1, rebalance: 1, ..CALM }));
}

#[test]
fn an_empty_group_accepts_a_commit_after_the_assignment_was_lost() {
    let rules = Rules { lost_check: false, ..PROTOCOL };
    breaks("no lost check", Run::new(rules, Budget { crash: 1, kick: 2, rebalance: 1, ..CALM }));
}

#[test]
fn committing_again_after_a_failed_commit_breaks_the_protocol() {
    let rules = Rules { end_session_in_doubt: false, ..PROTOCOL };
    breaks(
        "commit again",
        Run::new(rules, Budget { kick: 1, late_join: 1, rebalance: 2, lost: 1, delay: 1, ..CALM }),
    );
}

#[test]
fn trusting_a_commit_that_was_sent_twice_breaks_the_protocol() {
    let rules = Rules { doubt_when_sent_twice: false, ..PROTOCOL };
    let budget = Budget { crash: 1, delay: 1, ..CALM };
    breaks("sent twice", Run::new(rules, budget).records(&[Row, Row]));
}

#[test]
fn reading_an_unstable_offset_repeats_rows() {
    breaks("unstable read", Run::new(Rules { stable_read: false, ..PROTOCOL }, ROUGH));
}

#[test]
fn reading_the_offset_before_the_assignment_repeats_rows() {
    breaks("read early", Run::new(Rules { read_after_assign: false, ..PROTOCOL }, ROUGH));
}

#[test]
fn continuing_the_old_stream_breaks_the_protocol() {
    let rules = Rules { fresh_stream: false, exists_only_same: false, ..PROTOCOL };
    breaks("old stream", Run::new(rules, Budget { crash: 1, ..CALM }).records(&[Row, Row, Row]));
}

#[test]
fn continuing_the_stream_after_row_errors_breaks_the_protocol() {
    let rules = Rules { fresh_on_row_errors: false, exists_only_same: false, ..PROTOCOL };
    let budget = Budget { delay: 2, ..CALM };
    breaks("same stream", Run::new(rules, budget).records(&[Bad, Row, Row]));
}

#[test]
fn a_commit_across_two_streams_loses_rows_of_the_first() {
    let rules = Rules { flush_before_switch: false, ..PROTOCOL };
    breaks("two streams", Run::new(rules, ROUGH).records(&[Row, Bad, Row]));
}

#[test]
fn committing_an_unacknowledged_append_loses_rows() {
    breaks("no wait", Run::new(Rules { wait_for_append: false, ..PROTOCOL }, ROUGH));
}

#[test]
fn committing_before_the_dead_letters_loses_them() {
    let rules = Rules { letters_first: false, ..PROTOCOL };
    breaks("letters late", Run::new(rules, ROUGH).records(&[Rejected, Row]));
}

#[test]
fn finalizing_a_stream_that_a_commit_still_names_stops_the_next_owner() {
    let rules = Rules { finalize_when_uncovered: false, ..PROTOCOL };
    breaks("finalize early", Run::new(rules, ROUGH));
}
