//! References that no validator can follow to an end, or not on its stack.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::cycles::{Edges, on_cycles};
use super::files::Location;
use super::problem::Problem;

/// A `$ref` of one definition of a bundle to another.
pub(super) struct Reference {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) at: Location,
    /// How deep it stands in the definition that has it, in levels of the document.
    pub(super) levels: usize,
    /// It applies to the same value as the definition that has it.
    pub(super) same_value: bool,
    /// It is part of `propertyNames`.
    pub(super) in_names: bool,
}

/// All references of a bundle.
#[derive(Default)]
pub(super) struct References(Vec<Reference>);

/// How deep schemas may nest, references included, in levels of the document. The `jsonschema` crate
/// compiles them by recursion: a stack of 8 MiB ends at about four thousand.
const MOST_LEVELS: usize = 1_000;

impl References {
    pub(super) fn add(&mut self, reference: Reference) {
        self.0.push(reference);
    }

    /// The first reference that leads too deep, as a compiler meets them that goes into each definition
    /// once.
    pub(super) fn too_deep(&self) -> Option<Problem> {
        let mut of: HashMap<&str, Vec<&Reference>> = HashMap::new();
        for reference in &self.0 {
            of.entry(&reference.from).or_default().push(reference);
        }
        let mut entered = HashSet::from([""]);
        // The path to the current definition: its name, its depth, and how many of its references are
        // done.
        let mut path = vec![("", 0, 0)];
        while let Some((name, depth, done)) = path.last_mut() {
            let Some(reference) = of.get(*name).and_then(|all| all.get(*done)) else {
                path.pop();
                continue;
            };
            *done += 1;
            let depth = *depth + reference.levels;
            if depth > MOST_LEVELS {
                let what = format!(
                    "the schemas nest deeper than {MOST_LEVELS} levels, references included"
                );
                return Some(Problem::new(&reference.at, what));
            }
            if entered.insert(&reference.to) {
                path.push((&reference.to, depth, 0));
            }
        }
        None
    }

    /// The circles among the references that are mistakes.
    pub(super) fn circles(&self) -> Vec<Problem> {
        // Without going into a field or an item, a schema that leads back to itself says nothing.
        let same_value = self.0.iter().filter(|reference| reference.same_value);
        let cyclic = cyclic(same_value.clone());
        let back = same_value.filter(|reference| {
            cyclic.contains(reference.from.as_str()) && cyclic.contains(reference.to.as_str())
        });
        let what = "this $ref is part of a circle: it leads back to its own schema without going \
                    into a field or an item";
        let mut problems: BTreeMap<&Location, &str> =
            back.map(|reference| (&reference.at, what)).collect();
        // The `jsonschema` crate compiles `propertyNames` apart from the rest, and without end if it
        // leads back to itself.
        let cyclic = self::cyclic(self.0.iter());
        let in_names = self.0.iter().filter(|reference| reference.in_names);
        let what = "this $ref is part of a circle, and the names of properties are not checked by a \
                    schema that contains itself";
        problems.extend(
            in_names
                .filter(|reference| cyclic.contains(reference.to.as_str()))
                .map(|reference| (&reference.at, what)),
        );
        problems.into_iter().map(|(at, what)| Problem::new(at, what)).collect()
    }
}

/// The definitions that lead back to themselves.
fn cyclic<'r>(references: impl Iterator<Item = &'r Reference>) -> BTreeSet<&'r str> {
    let mut edges = Edges::new();
    for reference in references {
        edges.entry(&reference.from).or_default().insert(&reference.to);
        edges.entry(&reference.to).or_default();
    }
    on_cycles(&edges)
}
