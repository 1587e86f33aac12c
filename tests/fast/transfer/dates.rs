//! The days of a run that a CronJob starts: relative to the time in the name of its Job.

use super::{Project, orders};

/// The plan of a dry run.
fn days(project: &Project, date: &str, mode: &str, flags: &[&str]) -> String {
    let arguments = [&[date, "orders", mode, "transfers.toml", "--dry-run"], flags].concat();
    let page = project.transfer(&arguments);
    let line = page.lines().find(|line| line.starts_with("days")).expect("the days");
    line.trim_start_matches("days").trim().trim_end_matches(" in UTC").to_owned()
}

/// 2024-03-01T00:30Z, as the CronJob controller writes it.
const JOB: &str = "transfer-orders-28487550";

#[test]
fn a_job_runs_the_day_that_its_name_says() {
    let project = Project::new();
    for (file, day) in [("20240228", "2024-02-28"), ("20240229", "2024-02-29")] {
        project.write(&format!("orders-{file}.ndjson"), orders(day, 0..3, 1.0));
    }
    let of = |date: &str, mode: &str, flags: &[&str]| days(&project, date, mode, flags);
    assert_eq!(of("yesterday", "truncate", &["--job", JOB]), "2024-02-29");
    assert_eq!(of("yesterday", "truncate", &["--job", "again-20240228"]), "2024-02-28");
    assert_eq!(of("20240228+1", "truncate", &[]), "2024-02-29");
    let two = ["--job", JOB, "--delta-days", "2"];
    assert_eq!(of("yesterday", "delta", &two), "2024-02-28 to 2024-02-29");
}

#[test]
fn days_that_nobody_named_are_refused() {
    let project = Project::new();
    for (arguments, said) in [
        (
            &["yesterday", "orders", "truncate", "transfers.toml", "--job", "manual-1"][..],
            "manual-1\" ends neither in the time of a CronJob nor in a day",
        ),
        (
            &["20240229", "orders", "truncate", "transfers.toml", "--job", JOB],
            "2024-02-29 is a date already",
        ),
        (&["tomorrow", "orders", "truncate", "transfers.toml"], "`today` and `yesterday` are days"),
        (
            &["20240229", "orders", "truncate", "transfers.toml", "--delta-days", "2"],
            "--delta-days is for mode delta",
        ),
        (&["20240229", "orders", "delta", "transfers.toml", "--delta-days", "0"], "1..=1825"),
        (
            &["today", "orders", "truncate", "transfers.toml", "--job", "orders-20261345"],
            "ends neither",
        ),
    ] {
        let (code, page, errors) = project.run(&[&["transfer"], arguments].concat());
        assert_eq!(code, Some(2), "{arguments:?} {page}{errors}");
        assert!(errors.contains(said), "{arguments:?} {errors}");
    }
}
