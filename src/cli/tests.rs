//! Tests of the command line.

use std::path::Path;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::args::{Command, LocalCommand, RowFormat};
use super::{Args, Exit, Failure, version};
use crate::app::AppError;
use crate::config::location::Location;
use crate::config::{Inputs, Variables};
use crate::remote::{Fault, FetchError, Fetcher, Patience};

fn parse(line: &str) -> Result<Command, ErrorKind> {
    let words = line.split_whitespace();
    Args::try_parse_from(words).map(Args::into_command).map_err(|error| error.kind())
}

#[test]
fn clap_accepts_the_definition() {
    Args::command().debug_assert();
}

#[test]
fn a_domain_without_a_subcommand_runs() {
    let Ok(Command::Run(run)) = parse("generic-consumer DELIVERY") else { panic!("not run") };
    assert!(!run.flags.disable && !run.flags.until_caught_up);
    for line in [
        "generic-consumer DELIVERY -x --until-caught-up --env-file e --config a --config b",
        "generic-consumer run DELIVERY -x --until-caught-up --env-file e --config a --config b",
        "generic-consumer --config a -x --env-file e --until-caught-up --config b DELIVERY",
    ] {
        let Ok(Command::Run(run)) = parse(line) else { panic!("{line} does not run") };
        assert_eq!(run.domain, "DELIVERY");
        assert!(run.flags.disable && run.flags.until_caught_up);
        assert_eq!(run.flags.layers.env_file.as_deref(), Some("e".as_ref()));
        assert_eq!(run.flags.layers.config, ["a", "b"].map(std::path::PathBuf::from));
    }
}

#[test]
fn each_subcommand_has_its_arguments() {
    let Ok(Command::Produce(produce)) =
        parse("generic-consumer produce DELIVERY - --envelope --no-validate --to prod")
    else {
        panic!("not produce")
    };
    assert_eq!(
        (produce.domain.as_str(), produce.file.as_deref()),
        ("DELIVERY", Some("-".as_ref()))
    );
    assert!(produce.envelope && produce.no_validate && !produce.generate.generate);
    assert_eq!(produce.to.as_deref(), Some("prod"));

    let line = "generic-consumer produce DELIVERY --generate --rate 10/min --count 5 --seed 7 \
                --to-api http://127.0.0.1:8080";
    let Ok(Command::Produce(produce)) = parse(line) else { panic!("not produce") };
    let generate = produce.generate;
    assert!(generate.generate && produce.file.is_none() && generate.token_file.is_none());
    assert_eq!((generate.count, generate.seed), (Some(5), Some(7)));
    for wrong in [
        "generic-consumer produce DELIVERY",
        "generic-consumer produce DELIVERY - --generate",
        "generic-consumer produce DELIVERY - --count 5",
        "generic-consumer produce DELIVERY --generate --rate 0/s",
        "generic-consumer produce DELIVERY --generate --token-file t",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }

    let Ok(Command::Api(api)) = parse("generic-consumer api DELIVERY -x") else {
        panic!("not api")
    };
    assert!(api.domain == "DELIVERY" && api.disable);

    let line = "generic-consumer validate DELIVERY - --rows --columns a,b --format blocks";
    let Ok(Command::Validate(validate)) = parse(line) else { panic!("not validate") };
    assert!(validate.rows && !validate.events.envelope);
    assert_eq!(validate.page.columns, ["a", "b"]);
    assert_eq!(validate.page.format, Some(RowFormat::Blocks));

    let line = "generic-consumer DELIVERY --events - --envelope";
    let Ok(Command::Run(run)) = parse(line) else { panic!("not run") };
    assert_eq!(run.flags.events.as_deref(), Some("-".as_ref()));
    assert!(run.flags.envelope);

    let Ok(Command::Config(config)) = parse("generic-consumer config DELIVERY") else {
        panic!("not config")
    };
    assert_eq!(config.domain, "DELIVERY");

    let line = "generic-consumer local bigquery --rest 127.0.0.1:1 --grpc [::1]:2 --store s \
                --faults lose=0.1 --seed 7";
    let Ok(Command::Local(local)) = parse(line) else { panic!("not local") };
    let LocalCommand::Bigquery(bigquery) = local.command else { panic!("not bigquery") };
    assert_eq!((bigquery.rest.port(), bigquery.grpc.port(), bigquery.seed), (1, 2, Some(7)));
    assert_eq!(bigquery.faults.as_deref(), Some("lose=0.1"));

    let Ok(Command::Local(local)) = parse("generic-consumer local rows t --limit 3") else {
        panic!("not local")
    };
    let LocalCommand::Rows(rows) = local.command else { panic!("not rows") };
    assert_eq!((rows.table.as_str(), rows.limit), ("t", Some(3)));
    assert_eq!(rows.store, std::path::Path::new(".local/bigquery.sqlite"));
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for line in [
        "generic-consumer",
        "generic-consumer --until-caught-up",
        "generic-consumer DELIVERY ORDERS",
        "generic-consumer DELIVERY --nonsense",
        "generic-consumer produce DELIVERY",
        "generic-consumer validate DELIVERY",
        "generic-consumer DELIVERY --envelope",
        "generic-consumer local rows t --format nice",
        "generic-consumer local",
        "generic-consumer local bigquery --rest 127.0.0.1:1",
        "generic-consumer local bigquery --rest nowhere --grpc 127.0.0.1:2 --store s",
        "generic-consumer local rows t --limit -1",
    ] {
        let error = Args::try_parse_from(line.split_whitespace()).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}: {error}");
    }
}

#[test]
fn help_documents_examples_and_exit_codes() {
    let help = Args::command().render_help().to_string();
    for part in
        ["Examples:", "Exit codes:", "validate", "produce", "config", "local", "--until-caught-up"]
    {
        assert!(help.contains(part), "{part} is missing in\n{help}");
    }
}

#[test]
fn the_version_names_librdkafka_and_its_features() {
    assert_eq!(version::librdkafka(), "2.12.1");
    assert!(version::librdkafka_features().contains("ssl"));
    let text = version::text();
    assert!(text.starts_with(env!("CARGO_PKG_VERSION")), "{text}");
    assert!(text.contains("librdkafka 2.12.1 (gzip"), "{text}");
}

#[test]
fn the_reference_documents_every_exit_code() {
    let reference = include_str!("../../docs/reference/exit-codes.md");
    for exit in [
        Exit::Configuration,
        Exit::Usage,
        Exit::WouldChange,
        Exit::CheckUsage,
        Exit::Stopped,
        Exit::DrainDeadline,
        Exit::BadEvents,
        Exit::Interrupted,
    ] {
        assert!(reference.contains(&format!("\n| {} | ", exit.code())), "{exit:?}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_mistake_of_the_configuration() {
    let patience = Patience { retry_for: Duration::ZERO, ..Patience::default() };
    let fetcher = Fetcher::with_patience(Variables::new(), patience);
    // Nobody listens on port 1.
    let inputs = Inputs::at(Path::new("/nowhere")).env_file("http://127.0.0.1:1/x.env");
    let failure = super::load::fetched(&fetcher, inputs).await.err().expect("no answer");
    assert_eq!(failure.exit, Exit::Stopped);
    let said = failure.to_string();
    assert!(said.contains("http://127.0.0.1:1/x.env: 127.0.0.1:1 does not answer"), "{said}");
}

#[test]
fn a_document_of_the_contract_that_is_not_there_is_a_mistake_and_an_outage_is_none() {
    let Ok(Location::Remote(remote)) = Location::folder("s3://a-bucket/contracts") else {
        panic!("not remote")
    };
    let failure = |fault| Failure::from(AppError::from(FetchError::new(&remote, fault)));
    let missing = failure(Fault::NoSuchBucket("answer".to_owned()));
    assert_eq!(missing.exit, Exit::Configuration);
    let said = missing.to_string();
    for part in ["CONTRACTS_DIR", "s3://a-bucket/contracts", "no such bucket (answer)", "hint: "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(failure(Fault::Unavailable("answer".to_owned())).exit, Exit::Stopped);
}
