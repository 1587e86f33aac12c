//! Measures all readers in rounds; only costs of the same round are compared. Each round has
//! another order, because the cost of a process depends on what ran before it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Done;
use crate::measure;
use crate::readers::{Bench, Reader, Sample};
use crate::report::{self, Spread};
use crate::single;

const MIB: f64 = 1_048_576.0;

/// A limit for the CPU of the reader `above` divided by that of the reader `below`.
struct Goal {
    name: &'static str,
    above: Reader,
    below: Reader,
    must: &'static str,
    holds: fn(f64) -> bool,
}

const GOALS: [Goal; 4] = [
    Goal {
        name: "CPU: ours (at-least-once) ÷ kcat",
        above: Reader::AtLeastOnce,
        below: Reader::Kcat,
        must: "≤ 1.6",
        holds: |ratio| ratio <= 1.6,
    },
    Goal {
        name: "CPU: Python insert_rows_json ÷ ours",
        above: Reader::InsertRows,
        below: Reader::AtLeastOnce,
        must: "≥ 15",
        holds: |ratio| ratio >= 15.0,
    },
    Goal {
        name: "CPU: Python Storage Write API ÷ ours",
        above: Reader::StorageWrite,
        below: Reader::AtLeastOnce,
        must: "≥ 10",
        holds: |ratio| ratio >= 10.0,
    },
    Goal {
        name: "CPU: exactly-once ÷ at-least-once",
        above: Reader::ExactlyOnce,
        below: Reader::AtLeastOnce,
        must: "≤ 1.05",
        holds: |ratio| ratio <= 1.05,
    },
];

/// Measures all readers and the single figures, or only these readers.
pub fn run(some: &[Reader]) -> Done {
    let chosen = if some.is_empty() { &Reader::ALL } else { some };
    let (rounds, events, python_events) =
        if report::quick() { (3, 2_000_000, 200_000) } else { (9, 2_000_000, 1_000_000) };
    let bench = Bench::new(events, python_events);
    // Not measured: it makes the broker compile its code and brings the topic into memory.
    for reader in [Reader::Kcat, Reader::AtLeastOnce] {
        bench.measure(reader);
    }
    let mut rounds_run: Vec<BTreeMap<Reader, Sample>> = Vec::new();
    for round in 1..=rounds {
        let one = run_a_round(&bench, chosen, round);
        let costs: Vec<String> = one
            .iter()
            .map(|(reader, sample)| format!("{} {:.2}", reader.name(), sample.cpu_a_million()))
            .collect();
        println!("round {round}: {}", costs.join(", "));
        rounds_run.push(one);
    }
    let readers = readers(&rounds_run);
    let goals = goals(&rounds_run);
    if !some.is_empty() {
        return Ok(());
    }
    let singles = single::measure(&bench);
    report::keep(
        "result",
        &json!({ "rounds": rounds, "events": events, "python_events": python_events,
                 "readers": readers, "ratios": goals, "single": singles }),
    );
    Ok(())
}

fn run_a_round(bench: &Bench, chosen: &[Reader], round: usize) -> BTreeMap<Reader, Sample> {
    let runs: Vec<Reader> =
        chosen.iter().flat_map(|reader| vec![*reader; reader.times()]).collect();
    let mut samples: BTreeMap<Reader, Vec<Sample>> = BTreeMap::new();
    for reader in measure::shuffled(&runs, round) {
        samples.entry(reader).or_default().push(bench.measure(reader));
    }
    samples.into_iter().map(|(reader, runs)| (reader, Sample::of(&runs))).collect()
}

/// Runs the consumer once, prints the command that runs it again, and keeps the broker and the
/// server until standard input ends.
pub fn hold() -> Done {
    let bench = Bench::new(2_000_000, 1_000);
    let mut process = bench.domain.run(&["DELIVERY", "--until-caught-up"], &[]);
    measure::to_the_end(&mut process);
    let script = "cd \"$(dirname \"$0\")\" && exec generic-consumer DELIVERY --until-caught-up\n";
    let script = bench.domain.file("again.sh", script);
    println!("broker {}, topic {}", bench.kafka.bootstrap(), bench.domain.topic);
    println!("sh {}", script.display());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

fn readers(rounds: &[BTreeMap<Reader, Sample>]) -> Value {
    let mut rows = Vec::new();
    let mut all = serde_json::Map::new();
    for &reader in rounds[0].keys() {
        let of = |figure: &dyn Fn(&Sample) -> f64| {
            Spread::of(rounds.iter().map(|round| figure(&round[&reader])))
        };
        let cpu = of(&|sample| sample.cpu_a_million());
        let memory = of(&|sample| sample.cost.peak_resident as f64 / MIB);
        let rate = of(&|sample| sample.events_per_second.unwrap_or(f64::NAN) / 1_000.0);
        let rate_text = if rate.median.is_nan() { "–".to_owned() } else { rate.to_string() };
        rows.push(vec![reader.name().to_owned(), cpu.to_string(), rate_text, memory.to_string()]);
        let events = rounds[0][&reader].events;
        all.insert(
            reader.name().to_owned(),
            json!({ "cpu_seconds_a_million": cpu.json(), "thousand_events_a_second": rate.json(),
                    "peak_resident_mib": memory.json(), "events": events }),
        );
    }
    let head = ["reader", "CPU s per million events", "thousand events/s", "peak MiB"];
    report::table(&head, &rows);
    Value::Object(all)
}

fn goals(rounds: &[BTreeMap<Reader, Sample>]) -> Value {
    let mut rows = Vec::new();
    let mut all = Vec::new();
    let ran = |reader| rounds[0].contains_key(&reader);
    for goal in GOALS.into_iter().filter(|goal| ran(goal.above) && ran(goal.below)) {
        let ratio =
            Spread::of(rounds.iter().map(|round| {
                round[&goal.above].cpu_a_million() / round[&goal.below].cpu_a_million()
            }));
        let verdict = if (goal.holds)(ratio.median) { "holds" } else { "MISSED" };
        rows.push(vec![
            goal.name.to_owned(),
            ratio.to_string(),
            goal.must.to_owned(),
            verdict.to_owned(),
        ]);
        all.push(json!({ "ratio": goal.name, "paired": ratio.json(), "must": goal.must,
                         "verdict": verdict }));
    }
    report::table(&["paired ratio", "median (min – max)", "must", ""], &rows);
    Value::Array(all)
}
