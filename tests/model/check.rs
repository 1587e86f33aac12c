//! Runs the checker on a model, and says what it found.

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

/// A step: its index among the steps of its state, and its description for the trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub index: usize,
    pub words: String,
}

/// Property that is to be discovered, not to be violated.
pub const ALL_DONE: &str = "all is done";

/// States after which the search for a counterexample stops, to bound its memory. A test that
/// reaches this needs a budget with fewer faults.
const ENOUGH: usize = 10_000_000;

/// Asserts that every property holds in the whole state space.
pub fn holds<M>(name: &str, model: M)
where
    M: Model<Action = Action> + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
{
    let began = Instant::now();
    let checker = model.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done(), "{name}: not all states were checked");
    println!(
        "{name}: {} states, {:.1} s",
        checker.unique_state_count(),
        began.elapsed().as_secs_f32()
    );
    for (property, path) in checker.discoveries() {
        if property != ALL_DONE {
            println!("{name}: violated: {property}");
            path.into_actions().iter().for_each(|action| println!("    {}", action.words));
        }
    }
    checker.assert_properties();
}

/// Asserts that a property is violated, and prints the shortest trace to the violation.
pub fn breaks<M>(name: &str, model: M)
where
    M: Model<Action = Action> + Send + Sync + 'static,
    M::State: Clone + Debug + PartialEq + Hash + Send + Sync + 'static,
{
    let began = Instant::now();
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(ENOUGH)
        .spawn_bfs()
        .join();
    let found = checker.discoveries().into_iter().find(|(property, _)| *property != ALL_DONE);
    let Some((property, path)) = found else {
        panic!("{name}: no counterexample in {} states", checker.unique_state_count());
    };
    println!(
        "{name}: violated: {property} ({} states, {:.1} s)",
        checker.unique_state_count(),
        began.elapsed().as_secs_f32()
    );
    for action in path.into_actions() {
        println!("    {}", action.words);
    }
}
