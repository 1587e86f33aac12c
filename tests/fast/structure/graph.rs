//! Which file imports which, and what is wrong with that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use super::resolve::{Target, Tree};

/// Modules that stand at the same height, and why there. A tier may import the tiers below it.
pub type Tier = (&'static [&'static str], &'static str);

/// An import that the tiers alone would forbid: importer, imported, why.
pub type Exception = (&'static str, &'static str, &'static str);

/// Importing file → imported file → the names.
#[derive(Default)]
pub struct Graph {
    files: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Paths of this crate that could not be resolved.
    pub unresolved: BTreeSet<String>,
}

/// The top-level module of a file.
fn module(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

impl Graph {
    pub fn of(tree: &Tree) -> Graph {
        let mut graph = Graph::default();
        for (id, importer) in tree.modules.iter().enumerate() {
            let imports = importer.code.imports.iter().map(|it| (&it.path, it.public, it.glob));
            let paths = importer.code.paths.iter().map(|path| (path, false, false));
            for (path, public, glob) in imports.chain(paths) {
                let found = tree.resolve(id, path).unwrap_or_else(|error| {
                    graph.unresolved.insert(error);
                    Vec::new()
                });
                for target in found {
                    let (defining, name) = match target {
                        Target::Item { module, name } => (module, name),
                        Target::Module(module) if glob => (module, "*".to_owned()),
                        // The paths through this module name what is used of it; they count.
                        Target::Module(_) | Target::Foreign => continue,
                    };
                    // A re-export of an item from below is not an import: the module may not use it.
                    if public && tree.is_inside(defining, id) {
                        continue;
                    }
                    let to = &tree.modules[defining].file;
                    if *to != importer.file {
                        let imported = graph.files.entry(importer.file.clone()).or_default();
                        imported.entry(to.clone()).or_default().insert(name);
                    }
                }
            }
        }
        graph
    }

    fn edges(&self) -> impl Iterator<Item = (&str, &str, &BTreeSet<String>)> {
        self.files.iter().flat_map(|(from, imported)| {
            imported.iter().map(move |(to, names)| (from.as_str(), to.as_str(), names))
        })
    }

    fn names(&self, from: &str, to: &str) -> String {
        self.files[from][to].iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The shortest cycle through each file that is on one; each cycle once.
    pub fn cycles(&self) -> Vec<String> {
        let mut found: BTreeMap<(usize, Vec<&str>), String> = BTreeMap::new();
        for start in self.files.keys() {
            let Some(cycle) = self.shortest(start) else { continue };
            let mut members = cycle.clone();
            members.sort_unstable();
            let mut text = format!("cycle of {} files:", cycle.len());
            for (at, from) in cycle.iter().enumerate() {
                let to = cycle[(at + 1) % cycle.len()];
                let _ = write!(text, "\n    {from} → {to} ({})", self.names(from, to));
            }
            found.entry((cycle.len(), members)).or_insert(text);
        }
        found.into_values().collect()
    }

    /// The files of the shortest cycle through `start`, from `start` on.
    fn shortest<'a>(&'a self, start: &'a str) -> Option<Vec<&'a str>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            for to in self.files.get(file).into_iter().flat_map(BTreeMap::keys) {
                if to == start {
                    let mut cycle = vec![file];
                    while let Some(before) = came_from.get(cycle[cycle.len() - 1]) {
                        cycle.push(before);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if !came_from.contains_key(to.as_str()) {
                    came_from.insert(to, file);
                    queue.push_back(to);
                }
            }
        }
        None
    }

    /// Imports of a module on a higher or the same tier, and exceptions that no import needs.
    pub fn upward(&self, tiers: &[Tier], exceptions: &[Exception]) -> Vec<String> {
        let height = |module| tiers.iter().position(|(modules, _)| modules.contains(&module));
        let mut needed = BTreeSet::new();
        let mut faults = Vec::new();
        for (from, to, _) in self.edges() {
            let (importer, imported) = (module(from), module(to));
            let allowed = match (height(importer), height(imported)) {
                (Some(above), Some(below)) => above < below,
                // lib.rs may re-export anything; a module without a tier is reported elsewhere.
                (None, _) => true,
                (Some(_), None) => imported != "lib",
            };
            if allowed || importer == imported {
                continue;
            }
            if exceptions.iter().any(|(a, b, _)| (*a, *b) == (importer, imported)) {
                needed.insert((importer, imported));
                continue;
            }
            faults.push(format!("upward: {from} → {to} ({})", self.names(from, to)));
        }
        let idle = exceptions.iter().filter(|(from, to, _)| !needed.contains(&(*from, *to)));
        faults
            .extend(idle.map(|(from, to, _)| format!("no import needs {from} → {to}: remove it")));
        faults
    }

    /// Which top-level module imports which, with the number of names and of pairs of files.
    pub fn arrows(&self) -> String {
        let mut arrows: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
        for (from, to, names) in self.edges().filter(|(from, to, _)| module(from) != module(to)) {
            let (files, count) = arrows.entry((module(from), module(to))).or_default();
            *files += 1;
            *count += names.len();
        }
        let line = |((from, to), (files, names)): (&(&str, &str), &(usize, usize))| {
            format!("{from} → {to}: {names} names over {files} pairs of files\n")
        };
        arrows.iter().map(line).collect()
    }
}
