//! Which contract an instance uses, and why it does not use the one that there is now.

use std::sync::{Arc, Mutex, PoisonError};

/// What probes and status say of the contract. Clones share the same state.
#[derive(Debug, Clone, Default)]
pub struct ContractStatus {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    in_use: Option<ContractInUse>,
    refused: Option<RefusedContract>,
}

/// The contract by which rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractInUse {
    /// As `_contract` has it in every row.
    pub id: String,
    /// Of its documents: two instances with the same digest have read the same bytes.
    pub digest: String,
    /// Milliseconds since 1970.
    pub since_ms: i64,
}

/// A changed contract that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedContract {
    pub why: String,
    /// Milliseconds since 1970.
    pub since_ms: i64,
}

impl ContractStatus {
    /// Records the contract by which rows are written from now on.
    pub fn uses(&self, contract: ContractInUse) {
        self.with(|state| state.in_use = Some(contract));
    }

    /// Records that a changed contract is not used. The time is that of the first refusal since a
    /// contract was last taken.
    pub fn refuses(&self, why: &str, now_ms: i64) {
        self.with(|state| {
            let since_ms = state.refused.as_ref().map_or(now_ms, |refused| refused.since_ms);
            state.refused = Some(RefusedContract { why: why.to_owned(), since_ms });
        });
    }

    /// Records that the contract in use is the one that there is.
    pub fn refuses_nothing(&self) {
        self.with(|state| state.refused = None);
    }

    pub fn in_use(&self) -> Option<ContractInUse> {
        self.with(|state| state.in_use.clone())
    }

    pub fn refused(&self) -> Option<RefusedContract> {
        self.with(|state| state.refused.clone())
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_the_time_of_the_first_until_a_contract_is_used() {
        let status = ContractStatus::default();
        assert_eq!((status.in_use(), status.refused()), (None, None));
        status.refuses("one", 1);
        status.refuses("two", 2);
        let refused = RefusedContract { why: "two".to_owned(), since_ms: 1 };
        assert_eq!(status.refused(), Some(refused));
        status.refuses_nothing();
        assert_eq!(status.refused(), None);
        status.refuses("three", 3);
        assert_eq!(status.refused().map(|refused| refused.since_ms), Some(3));
    }
}
