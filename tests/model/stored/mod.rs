//! Checks the protocol of a sink that stores rows and the next offset in one transaction, as the
//! PostgreSQL sink does. docs/adr/0017-postgresql.md describes it. The whole protocol must hold under
//! every fault that a budget allows. With a rule left out, the checker must find a counterexample,
//! except for rules that are needed only in pairs, or for speed.

mod cases;
mod rules;
mod state;
mod steps;

use rules::{Budget, CALM, Rules, StartFrom};
use state::{At, IDLE, Proc, RECORDS, State};
use stateright::{Model, Property};
use steps::{Step, Who, World};

use crate::check::{ALL_DONE, Action};

/// Steps within which a sole owner finishes; it needs less than half as many.
const FINISHES_WITHIN: usize = 60;

/// One run of the checker.
#[derive(Clone)]
struct Run {
    rules: Rules,
    budget: Budget,
    procs: usize,
    records: u8,
    start_from: StartFrom,
    /// Whether a writer may store although another one has claimed the partition since.
    zombies_may_store: bool,
}

impl Run {
    fn new(rules: Rules, budget: Budget) -> Self {
        Self {
            rules,
            budget,
            procs: 2,
            records: 3,
            start_from: StartFrom::Earliest,
            zombies_may_store: false,
        }
    }

    /// With this many records in the end.
    fn records(self, records: usize) -> Self {
        assert!(records <= RECORDS);
        Self { records: records as u8, ..self }
    }

    fn instances(self, procs: usize) -> Self {
        Self { procs, ..self }
    }

    /// Begins at the end of the log, to which records are added.
    fn latest(self) -> Self {
        Self { start_from: StartFrom::Latest, ..self }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut world = World {
            rules: &self.rules,
            records: self.records,
            procs: self.procs,
            start_from: self.start_from,
            steps: Vec::with_capacity(12),
        };
        world.of(state);
        world.steps
    }

    fn zombies_may_store(self) -> Self {
        Self { zombies_may_store: true, ..self }
    }

    fn is_complete(&self, state: &State) -> bool {
        // Without `store_beginning`, an owner that began at the end of the log has nothing to store.
        let stands_at_the_end = |p: &Proc| p.at == At::Run && p.next == self.records;
        state
            .database
            .next
            .map_or_else(|| state.procs.iter().any(stands_at_the_end), |next| next == self.records)
    }

    /// Whether this instance stores all records once it is the only one that works: the others are
    /// frozen and keep what they hold. Late requests arrive first, or not at all.
    fn finishes(&self, state: &State, sole: usize, late: bool) -> bool {
        let mut at = State { left: CALM, ..state.clone() };
        if at.group.holder != Some(sole as u8) {
            at.group.holder = None;
            at.hang_up(sole);
            at.procs[sole] = IDLE;
        }
        for _ in 0..FINISHES_WITHIN {
            if self.is_complete(&at) {
                return true;
            }
            let steps = self.steps(&at);
            let may = |step: &&Step| match step.who {
                Who::Instance(i) | Who::Group(i) => i == sole,
                Who::Server(i) => i == sole || self.rules.commit_with_update,
                Who::Late => late,
                Who::Log => true,
            };
            let first = |step: &&Step| match step.who {
                Who::Late => 0,
                Who::Server(_) => 1,
                Who::Log => 2,
                Who::Instance(_) | Who::Group(_) => 3,
            };
            let Some(step) = steps.iter().filter(may).min_by_key(first) else { return false };
            at = step.after.clone();
        }
        false
    }
}

impl Model for Run {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let end = match self.start_from {
            StartFrom::Earliest => self.records,
            StartFrom::Latest => 0,
        };
        vec![State::new(end, self.budget)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, step) in self.steps(state).iter().enumerate() {
            let fault = if step.fault { " (fault)" } else { "" };
            let words = match step.who {
                Who::Instance(i) => format!("instance {i}: {}{fault}", step.what),
                Who::Server(i) => format!("server, for instance {i}: {}{fault}", step.what),
                Who::Group(i) => format!("group, instance {i}: {}{fault}", step.what),
                Who::Late => format!("late or outside: {}{fault}", step.what),
                Who::Log => format!("log: {}", step.what),
            };
            actions.push(Action { index, words });
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.steps(state).into_iter().nth(action.index).map(|step| step.after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no row is stored twice", |_: &Run, state: &State| {
                state.database.rows.iter().all(|times| *times <= 1)
            }),
            Property::always(
                "no row is missing before the next offset",
                |_: &Run, state: &State| {
                    let (Some(begun), Some(next)) = (state.begun, state.database.next) else {
                        return true;
                    };
                    (begun..next).all(|record| state.database.rows[usize::from(record)] > 0)
                },
            ),
            Property::always(
                "no row is stored from the next offset on",
                |_: &Run, state: &State| {
                    let next = state.database.next.unwrap_or(0);
                    (usize::from(next)..RECORDS).all(|record| state.database.rows[record] == 0)
                },
            ),
            Property::always(
                "only the writer that claimed last stores",
                |run: &Run, state: &State| run.zombies_may_store || !state.zombie_stored,
            ),
            Property::always("a sole owner can finish", |run: &Run, state: &State| {
                (0..run.procs)
                    .all(|sole| run.finishes(state, sole, true) && run.finishes(state, sole, false))
            }),
            Property::sometimes(ALL_DONE, |run: &Run, state: &State| run.is_complete(state)),
        ]
    }
}
