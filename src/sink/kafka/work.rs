//! What is left to store of a batch, as messages.

use super::message::{Layout, Message};
use super::target::{Letters, Target};
use super::transaction::Addressed;
use crate::record::{DeadLetter, Reason, Rejected, Rejection};
use crate::row::RowBuffer;
use crate::sink::dead_letter::About;
use crate::sink::dead_letter::letter_message::Parts;
use crate::sink::reread::letter_of_row;
use crate::sink::{Batch, DeadLimit, Reread, StoredOffset};
use crate::stop::Stop;

/// What is left to store of a batch.
pub(super) struct Work {
    rows: RowBuffer,
    /// The messages of the rows, in their order.
    messages: Vec<Message>,
    letters: Vec<Letter>,
    pub next: StoredOffset,
    /// So many of the letters are durable already, where they do not go into the transaction.
    pub sent: usize,
    /// Bytes of the messages of rows.
    pub bytes: usize,
    limit: DeadLimit,
}

/// A dead letter, with how much of its record its message holds.
struct Letter {
    letter: DeadLetter,
    kept: Parts,
    message: Message,
}

/// A message that the broker does not take, by its place among [`Work::addressed`].
pub(super) struct Refused {
    pub place: usize,
    pub rejection: Rejection,
}

/// The smallest part of a letter is too large for its topic.
pub(super) struct NothingLeft;

impl Work {
    pub fn new(batch: Batch, next: StoredOffset) -> Self {
        let Batch { rows, letters, limit, .. } = batch;
        let letters = letters.into_iter().map(Letter::new).collect();
        Self { rows, messages: Vec::new(), letters, next, sent: 0, bytes: 0, limit }
    }

    /// An offset alone.
    pub fn offset(next: StoredOffset) -> Self {
        let (rows, messages, letters) = (RowBuffer::default(), Vec::new(), Vec::new());
        Self { rows, messages, letters, next, sent: 0, bytes: 0, limit: DeadLimit::default() }
    }

    /// Makes messages of rows and letters. Returns the rows that have none.
    pub fn encode(&mut self, target: &Target) -> Vec<Refused> {
        let mut refused = Vec::new();
        self.messages = messages(&target.layout, &self.rows, &mut refused);
        self.bytes = self.messages.iter().map(Message::bytes).sum();
        if let Letters::Topic { about, .. } = &target.letters {
            self.letters.iter_mut().for_each(|letter| letter.encode(about));
        }
        refused
    }

    /// Everything that one transaction has to hold: rows, then letters.
    pub fn addressed<'a>(&'a self, target: &'a Target) -> Vec<Addressed<'a>> {
        let rows = self.messages.iter().map(|message| Addressed { topic: &target.topic, message });
        let letters = match &target.letters {
            Letters::Topic { topic, .. } => Some((topic, &self.letters)),
            Letters::Elsewhere(_) => None,
        };
        let letters = letters.into_iter().flat_map(|(topic, letters)| {
            letters.iter().map(move |letter| Addressed { topic, message: &letter.message })
        });
        rows.chain(letters).collect()
    }

    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    pub fn rejected(&self) -> Vec<Rejected> {
        self.letters.iter().map(|one| one.letter.rejected()).collect()
    }

    /// The letters that are not durable yet, where they do not go into the transaction.
    pub fn unsent(&self) -> Vec<DeadLetter> {
        self.letters[self.sent..].iter().map(|one| one.letter.clone()).collect()
    }

    /// Fails if letters of these rows would be too many.
    pub fn check(&self, refused: &[Refused]) -> Result<(), Stop> {
        let rows = self.rows.positions();
        let mut of_rows = refused.iter().filter(|one| one.place < rows.len());
        let count = of_rows.clone().count();
        let first = of_rows.next().map(|one| (rows[one.place], one.rejection.detail.as_str()));
        self.limit.check_refused(self.letters.len(), count, first)
    }

    /// Makes letters of refused rows, whose records are read from Kafka again; cuts refused letters.
    /// `waits` is called after each row. The messages have to be encoded anew.
    pub async fn reject(
        &mut self,
        refused: Vec<Refused>,
        layout: &Layout,
        reread: &dyn Reread,
        waits: impl Fn(),
    ) -> Result<(), NothingLeft> {
        let rows: Vec<_> = self.rows.rows().collect();
        let (mut gone, mut letters) = (Vec::new(), Vec::new());
        for Refused { place, rejection } in refused {
            match (rows.get(place), place.checked_sub(rows.len())) {
                (Some(row), _) => {
                    let letter = letter_of_row(reread, layout.columns(), *row, rejection).await;
                    letters.push(Letter::new(letter));
                    gone.push(place);
                    // Reading may take a minute for each record while the broker is away.
                    waits();
                }
                (None, Some(letter)) => match self.letters.get_mut(letter) {
                    Some(letter) if rejection.reason == Reason::TooLarge => letter.cut()?,
                    _ => return Err(NothingLeft),
                },
                (None, None) => {}
            }
        }
        gone.sort_unstable();
        self.rows = self.rows.without(&gone);
        self.letters.extend(letters);
        Ok(())
    }
}

fn messages(layout: &Layout, rows: &RowBuffer, refused: &mut Vec<Refused>) -> Vec<Message> {
    let message = |(place, (at, row))| {
        layout.message(at, row).unwrap_or_else(|error| {
            let detail = format!("the row is not one of these columns: {error}");
            let rejection = Rejection::new(Reason::RowError, detail, None);
            refused.push(Refused { place, rejection });
            Message::default()
        })
    };
    rows.rows().enumerate().map(message).collect()
}

impl Letter {
    fn new(letter: DeadLetter) -> Self {
        let kept = Parts::whole(&letter);
        Self { letter, kept, message: Message::default() }
    }

    fn encode(&mut self, about: &About) {
        let Self { letter, kept, .. } = self;
        self.message = Message {
            key: letter.key.clone().filter(|_| kept.key),
            value: letter.value.as_ref().map(|value| value[..kept.value].to_vec()),
            headers: about.letter_headers(letter, *kept),
            partition: letter.partition(),
            timestamp_ms: letter.written_ms(),
        };
    }

    /// Keeps less of the record.
    fn cut(&mut self) -> Result<(), NothingLeft> {
        let mut parts = std::iter::once(Parts::whole(&self.letter))
            .chain(Parts::smaller(&self.letter))
            .skip_while(|parts| *parts != self.kept);
        self.kept = parts.find(|parts| *parts != self.kept).ok_or(NothingLeft)?;
        tracing::warn!(
            position = %self.letter.at,
            value_bytes = self.kept.value,
            headers = self.kept.headers,
            key = self.kept.key,
            "a dead letter is larger than its topic allows and is cut"
        );
        Ok(())
    }
}
