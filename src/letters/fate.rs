//! What becomes of a letter that is to be redriven.

/// What becomes, or would become, of a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A row.
    Row,
    /// Left out on purpose, by event type, filter or as a tombstone.
    Ignored(String),
    /// A dead letter again, with this reason.
    Dead(String),
    /// The sink has its row already.
    There,
    /// The row of another record stands at its position: the topic was deleted and created again.
    Taken,
    /// Rows around it are missing: its row would name another as the one before it, and nobody would know
    /// any more that they are.
    Gap,
    /// An instance may still read it again, or make rows around it visible.
    Instances,
    /// As many redrives as are allowed have written it again.
    Tried,
    /// Parts of its record are not kept.
    Incomplete,
    /// It is a record of another topic.
    OtherTopic,
    /// Another group rejected it, by a contract of its own.
    OtherGroup,
}
