//! The order of the modules in `src/`: a module imports only modules on lower tiers, and no files
//! import each other in a cycle.
//!
//! `cargo test --test fast structure -- --nocapture` prints which module imports which.
//!
//! An import is a `use`, or any path in the code, that names an item. It counts as an import of
//! the file that defines the item: re-exports are followed to that file. Three things do not
//! count: a `mod` declaration, a parent that re-exports an item of its child without using it, and
//! test code, which is everything that only a build for tests or for the fuzzer compiles. Macro
//! arguments are read as tokens, and whatever looks like a path there is taken for one. The test
//! does not see traits and methods that are used without being named.

mod graph;
mod parse;
mod resolve;
mod self_test;

use std::collections::BTreeSet;
use std::path::Path;

use graph::{Exception, Graph, Tier};
use resolve::Tree;

const TIERS: &[Tier] = &[
    (&["main"], "the process: runtime, exit code"),
    (&["cli"], "arguments; one thin file per subcommand"),
    (&["app"], "puts settings, contract, table, plan, source and sink together once"),
    (&["local"], "embedded broker and embedded BigQuery: only cli and app start them"),
    (&["serve"], "HTTP over what runs: probes and metrics"),
    (&["results"], "keeps the latest reports of a topic; serve answers from it"),
    (&["transfer"], "a batch job: reads a source, and writes a table's days"),
    (&["check"], "judges what a run would find"),
    (&["letters"], "reads dead letters from tables and topics"),
    (&["verify"], "asks a table whether its rows are complete"),
    (&["pipeline"], "joins source, transcode and sink, so it stands above the three"),
    (&["steps"], "work on an event before it becomes a row"),
    (&["remote"], "fetches configuration and contracts, with the identity that the sink has too"),
    (&["sink"], "writes batches; may re-read rejected records from the source"),
    (&["transcode"], "compiles contract and columns into a plan"),
    (&["rules"], "rules over an archive's files become a report"),
    (&["expression"], "CEL over a record or an archive; knows neither filters nor rules"),
    (&["source"], "Kafka; knows neither sinks nor contracts"),
    (&["contract"], "documents become events, schemas and columns"),
    (&["row"], "columns and rows, which carry positions"),
    (&["record"], "the shared vocabulary: positions, events, reasons"),
    (&["icm"], "settings of another program become ours"),
    (&["telemetry"], "logs, metrics, health"),
    (&["archive"], "an object becomes the files that are wanted of it"),
    (&["config"], "layers of text become settings"),
    (
        &["clock", "document", "error_chain", "json_tree", "retry", "shutdown", "stop", "topic_id"],
        "leaves: they import no module",
    ),
];

/// Each with the reason why the tiers do not fit it.
const EXCEPTIONS: &[Exception] = &[];

#[test]
fn imports_in_src_point_one_way() {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let graph = Graph::of(&tree);
    println!("{}", graph.arrows());
    let faults = faults(&tree, &graph, TIERS, EXCEPTIONS);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn faults(tree: &Tree, graph: &Graph, tiers: &[Tier], exceptions: &[Exception]) -> Vec<String> {
    let placed: BTreeSet<&str> = tiers.iter().flat_map(|(modules, _)| *modules).copied().collect();
    let declared = tree.top_level();
    let unplaced = declared.difference(&placed).map(|it| format!("module {it} is not on any tier"));
    let missing = placed.difference(&declared).filter(|it| **it != "main");
    let missing = missing.map(|it| format!("lib.rs has no module {it}, which a tier names"));
    let unresolved = graph.unresolved.iter().cloned();
    unresolved
        .chain(unplaced)
        .chain(missing)
        .chain(graph.cycles())
        .chain(graph.upward(tiers, exceptions))
        .collect()
}
