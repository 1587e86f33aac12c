//! Facts that name one another.

use std::collections::{BTreeMap, BTreeSet};

/// The first circle that facts are in, each followed by one that it names; `None` without any.
pub(super) fn circle(needs: &BTreeMap<&str, Vec<&str>>) -> Option<Vec<String>> {
    let mut sound: BTreeSet<&str> = BTreeSet::new();
    // Without calls of itself: there is no limit on how many facts may follow another here.
    for start in needs.keys() {
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((fact, next)) = path.last_mut() {
            let (fact, index) = (*fact, *next);
            *next += 1;
            let Some(needed) = needs.get(fact).and_then(|needed| needed.get(index)) else {
                sound.insert(fact);
                path.pop();
                continue;
            };
            if let Some(at) = path.iter().position(|(on, _)| on == needed) {
                let circle = path[at..].iter().map(|(fact, _)| (*fact).to_owned());
                return Some(circle.collect());
            }
            if !sound.contains(needed) {
                path.push((needed, 0));
            }
        }
    }
    None
}
