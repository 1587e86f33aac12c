//! Dead letters as points of a measurement next to the rows'.

use super::lines::{Lines, Origin};
use super::points::{Points, TimeOf};
use super::write::Destination;
use crate::config::PointRules;
use crate::record::DeadLetter;
use crate::sink::dead_letter::About;
use crate::sink::dead_letter::letter_row::{self, Kept};
use crate::stop::Stop;

/// The most bytes of a value, a key, headers and an event type: in base64 they have 64 KiB, which is
/// what InfluxDB promises to take as one field.
const PART_BYTES: usize = 48 << 10;

/// The measurement of the dead letters. A letter's time is its record's, so that one that is written
/// again overwrites itself; where the server does not take that time, it is the time of writing.
pub struct LetterPoints {
    points: Points,
    about: About,
}

impl LetterPoints {
    pub fn new(measurement: &str, about: About) -> Result<Self, Stop> {
        let rules = PointRules { tags: vec!["reason".to_owned()], fields: None, time: None };
        let points = Points::new((measurement, &about.topic), letter_row::columns(), &rules)
            .map_err(|problems| Stop {
                what: format!("write to the measurement {measurement}: {problems:?}"),
                hint: "please report this".to_owned(),
                source: None,
            })?;
        Ok(Self { points, about })
    }

    /// Durable once this returns. A letter that the server refuses gets the time of writing; if it is refused
    /// again, all that came from the record is left out: a letter must never stop the instance for good. `now` in microseconds since the epoch.
    pub async fn send(
        &self,
        letters: &[DeadLetter],
        now: i64,
        to: &Destination<'_>,
    ) -> Result<(), Stop> {
        let mut left: Vec<&DeadLetter> = letters.iter().collect();
        let mut why = String::new();
        for (kept, time) in [
            (Kept::Parts(PART_BYTES), TimeOf::RowOr(now)),
            // Its time may be beyond the retention policy.
            (Kept::Parts(PART_BYTES), TimeOf::Always(now)),
            (Kept::Position, TimeOf::Always(now)),
        ] {
            let letters = left.iter().map(|letter| (*letter, kept));
            let rows = self.about.rows(self.points.columns(), letters, now);
            let mut lines = Lines::default();
            let mut refused: Vec<(Origin, String)> = self
                .points
                .append(0, &rows, time, &mut lines)
                .into_iter()
                .map(|(origin, error)| (origin, error.to_string()))
                .collect();
            let by_server = to.write(&lines).await?.into_iter();
            refused.extend(by_server.map(|one| (lines.origin(one.line), one.detail)));
            let Some((origin, detail)) = refused.first().cloned() else { return Ok(()) };
            tracing::warn!(position = %left[origin.row].at, detail, "InfluxDB refuses a dead letter");
            why = detail;
            let rows: Vec<usize> = refused.into_iter().map(|(origin, _)| origin.row).collect();
            let mut place = 0..;
            left.retain(|_| place.next().is_some_and(|place| rows.contains(&place)));
        }
        let hint = "look at the fields of the measurement and at its retention policy";
        Err(Stop::new(to.operation(), hint, why))
    }
}
