//! Cycles in a graph of named nodes.

use std::collections::{BTreeMap, BTreeSet};

/// Which nodes lead where.
pub(super) type Edges<'n> = BTreeMap<&'n str, BTreeSet<&'n str>>;

/// The nodes that lead back to themselves, directly or by others (Tarjan's strongly connected
/// components, without recursion).
pub(super) fn on_cycles<'n>(edges: &Edges<'n>) -> BTreeSet<&'n str> {
    let names: Vec<&str> = edges.keys().copied().collect();
    let index_of: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(index, name)| (*name, index)).collect();
    let targets: Vec<Vec<usize>> = edges
        .values()
        .map(|to| to.iter().filter_map(|name| index_of.get(name).copied()).collect())
        .collect();
    let mut found = BTreeSet::new();
    // For each node: when it was first visited, and the earliest visit that it leads back to.
    let mut visited: Vec<Option<usize>> = vec![None; names.len()];
    let mut back_to = vec![0; names.len()];
    let mut is_open = vec![false; names.len()];
    let mut open = Vec::new();
    let mut visits = 0;
    for start in 0..names.len() {
        // The path to the current node; for each node of it, how many of its targets are done.
        let mut path = if visited[start].is_none() { vec![(start, 0)] } else { Vec::new() };
        while let Some((node, done)) = path.last_mut() {
            let node = *node;
            if *done == 0 && visited[node].is_none() {
                (visited[node], back_to[node], is_open[node]) = (Some(visits), visits, true);
                visits += 1;
                open.push(node);
            }
            if let Some(target) = targets[node].get(*done).copied() {
                *done += 1;
                match visited[target] {
                    None => path.push((target, 0)),
                    Some(visit) if is_open[target] => back_to[node] = back_to[node].min(visit),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                back_to[*parent] = back_to[*parent].min(back_to[node]);
            }
            if visited[node] == Some(back_to[node]) {
                let first = open.iter().rposition(|one| *one == node).unwrap_or_default();
                let component = open.split_off(first);
                let cyclic = component.len() > 1 || targets[node].contains(&node);
                for one in component {
                    is_open[one] = false;
                    if cyclic {
                        found.insert(names[one]);
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

    proptest! {
        #[test]
        fn a_node_is_on_a_cycle_if_it_can_reach_itself(
            pairs in prop::collection::vec((0..8usize, 0..8usize), 0..16),
        ) {
            let mut edges: Edges<'_> = NAMES.iter().map(|name| (*name, BTreeSet::new())).collect();
            let mut reaches = [[false; 8]; 8];
            for (from, to) in pairs {
                edges.get_mut(NAMES[from]).unwrap().insert(NAMES[to]);
                reaches[from][to] = true;
            }
            for middle in 0..8 {
                for from in 0..8 {
                    for to in 0..8 {
                        reaches[from][to] |= reaches[from][middle] && reaches[middle][to];
                    }
                }
            }
            let expected: BTreeSet<&str> =
                (0..8).filter(|node| reaches[*node][*node]).map(|node| NAMES[node]).collect();
            prop_assert_eq!(on_cycles(&edges), expected);
        }
    }
}
