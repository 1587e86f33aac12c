//! Checks the protocol of the Kafka sink, which writes rows and the next offset in one transaction of
//! Kafka. docs/adr/0022-kafka-sink.md describes it. The whole protocol must hold under every fault that
//! a budget allows. With a rule left out, the checker must find a counterexample, except for rules
//! that are needed only in pairs.

mod cases;
mod rules;
mod state;
mod steps;

use rules::{Budget, CALM, Rules};
use state::{IDLE, RECORDS, State};
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
}

impl Run {
    fn new(rules: Rules, budget: Budget) -> Self {
        Self { rules, budget, procs: 2 }
    }

    fn instances(self, procs: usize) -> Self {
        Self { procs, ..self }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut world =
            World { rules: &self.rules, procs: self.procs, steps: Vec::with_capacity(12) };
        world.of(state);
        world.steps
    }

    fn is_complete(&self, state: &State) -> bool {
        usize::from(state.brokers.next) == RECORDS
    }

    /// Whether this instance stores all records once it is the only one that works: the others are
    /// frozen and keep what they hold. Late requests arrive first, or not at all.
    fn finishes(&self, state: &State, sole: usize, late: bool) -> bool {
        let mut at = State { left: CALM, ..state.clone() };
        if at.holder != Some(sole as u8) {
            at.holder = None;
            at.hang_up(sole);
            at.procs[sole] = IDLE;
        }
        for _ in 0..FINISHES_WITHIN {
            if self.is_complete(&at) {
                return true;
            }
            let steps = self.steps(&at);
            let may = |step: &&Step| match step.who {
                Who::Instance(i) | Who::Group(i) | Who::Brokers(i) => i == sole,
                Who::Late => late,
                Who::Markers => true,
            };
            let first = |step: &&Step| match step.who {
                Who::Markers => 0,
                Who::Late => 1,
                Who::Brokers(_) => 2,
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
        vec![State::new(self.budget)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, step) in self.steps(state).iter().enumerate() {
            let fault = if step.fault { " (fault)" } else { "" };
            let words = match step.who {
                Who::Instance(i) => format!("instance {i}: {}{fault}", step.what),
                Who::Brokers(i) => format!("brokers, for instance {i}: {}{fault}", step.what),
                Who::Markers => format!("brokers: {}{fault}", step.what),
                Who::Group(i) => format!("group, instance {i}: {}{fault}", step.what),
                Who::Late => format!("late: {}{fault}", step.what),
            };
            actions.push(Action { index, words });
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.steps(state).into_iter().nth(action.index).map(|step| step.after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no row is seen twice", |_: &Run, state: &State| {
                state.brokers.rows.iter().all(|times| *times <= 1)
            }),
            Property::always("no row is missing before the offset", |_: &Run, state: &State| {
                state.brokers.rows[..usize::from(state.brokers.next)].iter().all(|times| *times > 0)
            }),
            Property::always("no row is seen from the offset on", |_: &Run, state: &State| {
                state.brokers.rows[usize::from(state.brokers.next)..]
                    .iter()
                    .all(|times| *times == 0)
            }),
            Property::always("a sole owner can finish", |run: &Run, state: &State| {
                (0..run.procs)
                    .all(|sole| run.finishes(state, sole, true) && run.finishes(state, sole, false))
            }),
            Property::sometimes(ALL_DONE, |run: &Run, state: &State| run.is_complete(state)),
        ]
    }
}
