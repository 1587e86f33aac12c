//! The course of an incident in Prometheus, in fast motion: what was scraped of an instance goes on as
//! it was for an hour, and promtool evaluates the rendered rules over it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::alerts::{INSTANCE, labels, rendered};
use crate::support::domain::Instance;
use crate::support::{folder, prometheus};

/// Seconds between two samples, as promtool gets them.
const STEP: u64 = 30;
/// For how long all was well, and how long the incident takes. Rates of an hour are not full before it.
const WELL: u64 = 60 * 60;
const ILL: u64 = 60 * 60;

/// The time between two scrapes from which a series' slope is taken. Lags are asked for every five
/// seconds, and a quota is tried again after up to a minute.
const BETWEEN: Duration = Duration::from_secs(11);

/// What Prometheus has of an instance while something goes on.
pub struct Scraped {
    first: BTreeMap<String, f64>,
    second: BTreeMap<String, f64>,
    seconds: f64,
    ready: bool,
    /// The process has failed, and Kubernetes starts it again and again.
    ended: bool,
}

impl Scraped {
    /// Scrapes an instance twice.
    pub fn of(instance: &mut Instance) -> Self {
        let began = Instant::now();
        let first = series(instance);
        std::thread::sleep(BETWEEN);
        Self {
            first,
            seconds: began.elapsed().as_secs_f64(),
            second: series(instance),
            ready: instance.get("/readyz").is_some_and(|(status, _)| status == 200),
            ended: instance.process.ended().is_some_and(|status| !status.success()),
        }
    }

    /// How much a series grows in one step. What falls stays as it was last, and so does what begins
    /// anew with each attempt that fails.
    fn slope(&self, name: &str) -> f64 {
        if name.contains("no_progress_seconds") {
            return 0.0;
        }
        let of = |scrape: &BTreeMap<String, f64>| scrape.get(name).copied();
        let grown = of(&self.second).zip(of(&self.first)).map_or(0.0, |(now, then)| now - then);
        (grown / self.seconds * STEP as f64).max(0.0)
    }
}

/// The series of an instance, with the labels that a cluster's Prometheus gives them.
fn series(instance: &Instance) -> BTreeMap<String, f64> {
    let Some((200, page)) = instance.get("/metrics") else { return BTreeMap::new() };
    let more = written(&labels("a"));
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let name = match name.split_once('{') {
                Some((name, own)) => format!("{name}{{{more},{own}"),
                None => format!("{name}{{{more}}}"),
            };
            Some((name, value.parse().ok()?))
        })
        .collect()
}

fn written(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    pairs.join(",")
}

/// The alerts that fire, each with the minutes after which it first does. None may fire before.
pub fn alerts(name: &str, well: &Scraped, ill: &Scraped) -> BTreeMap<String, u64> {
    let groups =
        rendered("components/monitoring/eks/prometheusrule.yaml")["spec"]["groups"].clone();
    let asked = r#"count by (alertname) (ALERTS{alertstate="firing"})"#;
    let minutes = (1..=(WELL + ILL) / 60).map(|minute| format!("{minute}m"));
    let questions: Vec<Value> =
        minutes.map(|at| json!({ "expr": asked, "eval_time": at, "exp_samples": [] })).collect();
    let test = json!({
        "rule_files": ["rules.yaml"],
        "evaluation_interval": format!("{STEP}s"),
        "tests": [{
            "interval": format!("{STEP}s"),
            "input_series": course(well, ill),
            "promql_expr_test": questions,
        }],
    });
    let folder = folder::fresh(&format!("alerts-{name}"));
    let write = |file: &str, what: &Value| std::fs::write(folder.join(file), what.to_string());
    // JSON is YAML.
    write("rules.yaml", &json!({ "groups": groups })).expect("written");
    write("test.yaml", &test).expect("written");
    let promtool = prometheus::program().with_file_name("promtool");
    let told = Command::new(promtool)
        .args(["test", "rules", "test.yaml"])
        .current_dir(&folder)
        .output()
        .expect("promtool runs");
    // A question with an answer is a failed test to it.
    let said =
        String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    let firing = answers(&said).unwrap_or_else(|| panic!("promtool says:\n{said}"));
    let mut first = BTreeMap::new();
    for (minute, alert) in firing {
        let since = minute.checked_sub(WELL / 60);
        let since = since.unwrap_or_else(|| panic!("{alert} fires while all is well"));
        first.entry(alert).or_insert(since);
    }
    first
}

/// What promtool answered: at which minute which alert was firing, in the order of time.
fn answers(said: &str) -> Option<Vec<(u64, String)>> {
    let mut firing = Vec::new();
    let mut at = None;
    for line in said.lines() {
        if let Some((_, time)) = line.split_once(", time: ") {
            at = Some(minutes(time.trim_end_matches(','))?);
        } else if let Some(got) = line.trim_start().strip_prefix("got:") {
            let names = got.split("alertname=\"").skip(1);
            let names = names.filter_map(|part| Some(part.split_once('"')?.0.to_owned()));
            firing.extend(names.map(|name| (at.unwrap_or_default(), name)));
        }
    }
    let understood = said.contains("SUCCESS") || (said.contains("FAILED") && !firing.is_empty());
    understood.then_some(firing)
}

/// `1h5m` in minutes.
fn minutes(time: &str) -> Option<u64> {
    let (hours, rest) = time.split_once('h').unwrap_or(("0", time));
    let rest = rest.trim_end_matches("0s");
    let minutes = match rest {
        "" => 0,
        rest => rest.strip_suffix('m')?.parse::<u64>().ok()?,
    };
    Some(hours.parse::<u64>().ok()? * 60 + minutes)
}

/// All series, before and while it goes on.
fn course(well: &Scraped, ill: &Scraped) -> Vec<Value> {
    // `ax3` are four samples.
    let (before, while_ill) = (WELL / STEP - 1, ILL / STEP);
    let names = well.second.keys().chain(ill.second.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let mut all = Vec::new();
    for name in names {
        let mut values = String::new();
        // It has grown to what was scraped then.
        match well.second.get(name) {
            Some(value) => {
                let slope = well.slope(name).min(value / before as f64);
                let start = value - slope * before as f64;
                let _ = write!(values, "{start}+{slope}x{before}");
            }
            None => {
                let _ = write!(values, "_x{}", before + 1);
            }
        }
        match ill.second.get(name) {
            Some(value) => {
                let _ = write!(values, " {value}+{}x{while_ill}", ill.slope(name));
            }
            None => values.push_str(" stale"),
        }
        all.push(json!({ "series": name, "values": values }));
    }
    // What kube-state-metrics and Prometheus would say of its pod.
    let deployment =
        format!("{{namespace=\"generic-consumer\",deployment=\"generic-consumer-{INSTANCE}\"}}");
    let number = |is: bool| u8::from(is);
    let available = format!("1x{before} {}x{while_ill}", number(ill.ready));
    let up = format!("1x{before} {}x{while_ill}", number(!ill.second.is_empty()));
    // It pauses for up to five minutes before it starts a container again.
    let restarts = if ill.ended { format!("0x{before} 1+0.1x{while_ill}") } else { "0x240".into() };
    let pod = format!(
        "{{namespace=\"generic-consumer\",pod=\"generic-consumer-{INSTANCE}-6f8d9c7b5-x2x7k\",\
         container=\"generic-consumer\"}}"
    );
    for (series, values) in [
        (format!("kube_deployment_status_replicas_available{deployment}"), available),
        (format!("kube_deployment_spec_replicas{deployment}"), "1x240".to_owned()),
        (format!("kube_pod_container_status_restarts_total{pod}"), restarts),
        (format!("up{{{}}}", written(&labels("a"))), up),
    ] {
        all.push(json!({ "series": series, "values": values }));
    }
    all
}

#[test]
fn what_promtool_says_is_read() {
    let said = "\
Unit Testing:  test.yaml
  FAILED:
    expr: \"count by (alertname) (ALERTS{alertstate=\\\"firing\\\"})\", time: 59m,
        exp: nil
        got: {alertname=\"A\"} 1E+00
    expr: \"count by (alertname) (ALERTS{alertstate=\\\"firing\\\"})\", time: 1h5m,
        exp: nil
        got: {alertname=\"A\"} 1E+00, {alertname=\"B\"} 1E+00
";
    let expected = [(59, "A"), (65, "A"), (65, "B")].map(|(at, name)| (at, name.to_owned()));
    assert_eq!(answers(said).as_deref(), Some(&expected[..]));
    assert_eq!(answers("Unit Testing:  test.yaml\n  SUCCESS\n"), Some(Vec::new()));
    assert_eq!(answers("promtool: no such file"), None);
    assert_eq!(["1h0m0s", "2h", "7m"].map(minutes), [Some(60), Some(120), Some(7)]);
}
