//! A drill on its way through its section of the page.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::course::{self, Scraped};
use super::page::{self, Block, Section};
use crate::support::bigquery::EmbeddedBigQuery;
use crate::support::domain::{Domain, Instance, TABLE};
use crate::support::events::{Fate, Sent};
use crate::support::kafka::{Kafka, command_line};
use crate::support::until::until_true;

pub const WITHIN: Duration = Duration::from_secs(180);

/// The port that the page asks, which is each instance's on its own machine.
const PORT_OF_THE_PAGE: &str = "127.0.0.1:9464";

/// One drill, on its way through its section of the page.
pub struct Drill {
    name: &'static str,
    began: Instant,
    page: Section,
    pub bigquery: EmbeddedBigQuery,
    pub domain: Domain,
    servers: String,
    well: Option<Scraped>,
    /// What the page leaves to the reader: variables of its commands.
    given: Vec<(&'static str, String)>,
    /// What the page has wrong. All of it is said at the end.
    wrong: Vec<String>,
}

impl Drill {
    /// `name` is the section's, as in links to it.
    pub fn start(name: &'static str, kafka: &Kafka) -> Self {
        let began = Instant::now();
        let page = page::sections().remove(name);
        let page = page.unwrap_or_else(|| panic!("docs/drills.md has no section {name}"));
        let topic = format!("drill-{name}");
        let bigquery = EmbeddedBigQuery::start(&topic, "", 1);
        let domain = Domain::new(&topic, kafka, &bigquery.urls());
        let programs = domain.folder().join("bin");
        std::fs::create_dir(&programs).expect("a folder");
        command_line::install(&programs);
        let ours = programs.join("generic-consumer");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_generic-consumer"), ours).expect("linked");
        let servers = kafka.bootstrap();
        Self {
            name,
            began,
            page,
            bigquery,
            domain,
            servers,
            well: None,
            given: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// What the page calls SINCE is now.
    pub fn since(&mut self) {
        let now = Command::new("date").args(["-u", "+%FT%TZ"]).output().expect("the time");
        self.given.push(("SINCE", String::from_utf8_lossy(&now.stdout).trim().to_owned()));
    }

    /// Says on the terminal what happens.
    pub fn tell(&self, what: &str) {
        println!("{} {:4} s  {what}", self.name, self.began.elapsed().as_secs());
    }

    /// Remembers how the instance looks while all is well.
    pub fn is_well(&mut self, instance: &mut Instance) {
        let lag = || instance.lag().0 > 0 && instance.lag().1 == 0.0;
        until_true("it has caught up", WITHIN, lag);
        self.tell("all is well");
        self.well = Some(Scraped::of(instance));
    }

    /// The alerts that the page says, and no others, fire at the time that it says if this goes on.
    pub fn fires(&mut self, instance: &mut Instance) {
        let well = self.well.as_ref().expect("what it was like before");
        let found = course::alerts(self.name, well, &Scraped::of(instance));
        let Section { fire, perhaps, .. } = &self.page;
        let surely = |(alert, _): &(&String, &u64)| !perhaps.contains(*alert);
        let unexpected: Vec<_> = found
            .iter()
            .filter(surely)
            .filter(|(alert, at)| fire.get(*alert) != Some(at))
            .collect();
        let silent: BTreeSet<_> = fire.keys().filter(|alert| !found.contains_key(*alert)).collect();
        if !unexpected.is_empty() || !silent.is_empty() {
            let page = format!("the page says {fire:?}, perhaps {perhaps:?}");
            self.wrong.push(format!("{page}; these alerts fire: {found:?}"));
        }
        let found = found.iter().map(|(alert, minutes)| format!("{alert} after {minutes} min"));
        self.tell(&format!("if it goes on: {}", found.collect::<Vec<_>>().join(", ")));
    }

    /// Runs the page's next commands, and compares what they print with the page.
    pub fn runs(&mut self, instance: Option<&Instance>) -> String {
        let Some(Block::Commands(commands)) = self.page.blocks.pop_front() else {
            panic!("{}: the page has no commands here", self.name)
        };
        let here = instance.map_or(PORT_OF_THE_PAGE.to_owned(), Instance::metrics_addr);
        let script = commands.replace(PORT_OF_THE_PAGE, &here);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.domain.folder().join("bin").display());
        let mut variables = vec![("PATH", path.as_str()), ("BROKERS", self.servers.as_str())];
        variables.extend(self.given.iter().map(|(name, value)| (*name, value.as_str())));
        let arguments = ["-uo", "pipefail", "-c", script.as_str()];
        let mut shell = self.domain.launch(Path::new("bash"), &arguments, &variables, None);
        let code = shell.wait(WITHIN).code();
        let mut seen = shell.output().trim_end().to_owned();
        if code != Some(0) {
            seen += &format!("\nexit code {}", code.unwrap_or(-1));
        }
        for line in commands.lines() {
            self.tell(&format!("$ {line}"));
        }
        self.sees(&seen);
        seen
    }

    /// The page's next block of output is what is seen.
    pub fn sees(&mut self, seen: &str) {
        for line in seen.lines().filter(|_| std::env::var_os("DRILL").is_some()) {
            println!("    {line}");
        }
        match self.page.blocks.front() {
            Some(Block::Seen(expected)) => {
                if let Err(why) = page::compare(expected, seen) {
                    let both = format!("the page says\n{expected}\n\nand there is\n{seen}");
                    self.wrong.push(format!("{why}\n{both}"));
                }
                self.page.blocks.pop_front();
            }
            _ => panic!("{}: the page shows nothing here, and there is\n{seen}", self.name),
        }
    }

    /// The settings that the page has next; `…` in them is `value`.
    pub fn sets(&mut self, value: &str) {
        let Some(Block::Settings(settings)) = self.page.blocks.pop_front() else {
            panic!("{}: the page has no settings here", self.name)
        };
        for line in settings.lines() {
            let (name, set) = line.split_once('=').expect("NAME=value");
            self.tell(&format!("the instance's file: {line}"));
            self.domain.set(name, &set.replace('…', value));
        }
    }

    /// The page is at its end, and the table has what was sent: each row once.
    pub fn ends(self, sent: &[&Sent]) {
        let Self { name, page, .. } = &self;
        assert!(page.blocks.is_empty(), "{name}: left on the page: {:?}", page.blocks);
        let rows = self.bigquery.rows(TABLE).into_iter().filter(|row| row.visible);
        let mut rows: Vec<String> = rows.map(|row| row.event_id).collect();
        let events = sent.iter().flat_map(|sent| sent.values());
        let mut expected: Vec<String> = events
            .filter_map(|fate| match fate {
                Fate::Row { event_id } => Some(event_id.clone()),
                Fate::Ignored | Fate::Letter(_) => None,
            })
            .collect();
        rows.sort_unstable();
        expected.sort_unstable();
        assert!(rows == expected, "{name}: {} rows, {} expected", rows.len(), expected.len());
        self.tell(&format!("over: {} rows, none lost, none repeated", rows.len()));
        let Self { name, wrong, .. } = &self;
        assert!(wrong.is_empty(), "{name}: docs/drills.md is wrong\n{}", wrong.join("\n\n"));
    }
}
