//! Compares the CPU of several consumers, for example before and after a change: in rounds, on the
//! same topic.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::Done;
use crate::curves::{PLAIN, Point, Shape};
use crate::kcat::Kcat;
use crate::measure;
use crate::readers::{Bench, Reader};
use crate::report::{self, Spread};
use crate::sink::Sink;
use crate::support::kafka::Kafka;

#[derive(Args)]
pub struct CompareArgs {
    /// The consumers, whose CPU is divided by that of the first: paths of programs, or of scripts
    /// that set a variable and run one; `kcat` means kcat
    #[arg(required = true)]
    programs: Vec<PathBuf>,
    /// Measured rounds; one more before them only warms up the broker
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Use a topic of the curves, with this many partitions
    #[arg(long)]
    partitions: Option<i32>,
    /// Use a topic of the curves, with this many event types
    #[arg(long)]
    types: Option<usize>,
    /// Give each record a `traceparent` of a sampled trace
    #[arg(long, conflicts_with_all = ["partitions", "types"])]
    traced: bool,
}

pub fn run(args: &CompareArgs) -> Done {
    if args.partitions.is_none() && args.types.is_none() {
        let bench = Bench::filled(2_000_000, 1_000, args.traced);
        let cost = |program: &Path, _: usize| {
            let reader = if is_kcat(program) { Reader::Kcat } else { Reader::AtLeastOnce };
            bench.measure_as(reader, program).cpu_a_million()
        };
        compare(args, &cost);
    } else {
        let (kafka, sink) = (Kafka::start("compare"), Sink::start());
        let shape = Shape {
            partitions: args.partitions.unwrap_or(PLAIN.partitions),
            types: args.types.unwrap_or(PLAIN.types),
            ..PLAIN
        };
        let point = Point::filled("compare".to_owned(), shape, &kafka, &sink);
        let kcat = args.programs.iter().any(|program| is_kcat(program)).then(Kcat::find);
        compare(args, &|program, run| match &kcat {
            Some(kcat) if is_kcat(program) => point.cost_of_kcat(kcat),
            _ => point.cost_of(program, run),
        });
    }
    Ok(())
}

fn is_kcat(program: &Path) -> bool {
    program.as_os_str() == "kcat"
}

/// Measures all programs in every round and prints their costs. `cost` gets a program and a number
/// that is different for every run.
fn compare(args: &CompareArgs, cost: &dyn Fn(&Path, usize) -> f64) {
    let programs = &args.programs;
    let numbers: Vec<usize> = (0..programs.len()).collect();
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    // The first round is not counted: it warms up the broker.
    for round in 0..=args.rounds {
        let mut costs = vec![f64::NAN; programs.len()];
        for number in measure::shuffled(&numbers, round) {
            costs[number] = cost(&programs[number], round * programs.len() + number);
        }
        if round > 0 {
            rounds.push(costs);
        }
    }
    let row = |number: &usize| {
        let costs = Spread::of(rounds.iter().map(|round| round[*number]));
        let ratios = Spread::of(rounds.iter().map(|round| round[*number] / round[0]));
        vec![programs[*number].display().to_string(), costs.to_string(), ratios.to_string()]
    };
    let rows: Vec<_> = numbers.iter().map(row).collect();
    report::table(&["program", "CPU s per million events", "÷ the first"], &rows);
}
