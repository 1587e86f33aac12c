//! The records of all assigned partitions, taken from librdkafka many at once.
//!
//! rdkafka's own `poll` returns one record at a time, and pays for each an event, a reference count,
//! several readings of the clock and a lock. `rd_kafka_consume_batch_queue` pays for them once a batch;
//! ADR 7 has what that is worth.
//!
//! Three peculiarities of librdkafka shape this file:
//!
//! - The call cannot read the client's own queue: it takes a rebalance there for a record, and
//!   aborts. So the partitions' queues are forwarded into a queue of ours, and the client's queue is
//!   polled as well ([`super::Source`] does so).
//! - Releasing a partition removes its forwarding, but later, on another thread, and perhaps after
//!   the next assignment has forwarded it again. Its records would then wait in a queue that nobody
//!   reads. So a partition is forwarded again and again until a record of it has come.
//! - An error that the call returns moves its partition's position past the error's offset. So
//!   after an error the client must not be used any more.
#![expect(
    unsafe_code,
    reason = "rdkafka has no safe call for this: each block says why it is sound"
)]

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;
use rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE as NOT_AVAILABLE;
use rdkafka::bindings::{
    rd_kafka_consume_batch_queue, rd_kafka_message_destroy, rd_kafka_message_errstr,
    rd_kafka_message_headers, rd_kafka_message_t, rd_kafka_message_timestamp,
    rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_forward,
    rd_kafka_queue_get_partition, rd_kafka_queue_new, rd_kafka_queue_t, rd_kafka_resp_err_t,
    rd_kafka_t, rd_kafka_timestamp_type_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedHeaders;
use rdkafka::types::RDKafkaErrorCode;

use super::native;
use crate::record::{Event, HeaderList, Partition, Position};

/// Enough to share the cost of a call, and few enough to stay in the processor's cache until they
/// are read.
const BATCH: usize = 128;

/// A partition without a record is forwarded again after this long, then after twice as long each
/// time, up to a second: the forwarding is removed soon or not at all, and a partition may stay
/// empty for days.
const FORWARD_AGAIN: Duration = Duration::from_millis(5);
const FORWARD_AGAIN_AT_MOST: Duration = Duration::from_secs(1);

/// A consumer, and the queue that its partitions' records are read from.
///
/// It holds the consumer, so messages and queue cannot outlive it. Fields are dropped in the order in
/// which they stand: the consumer after all that belongs to it.
pub(super) struct RecordQueue<C: ConsumerContext + 'static> {
    current: Option<Message>,
    /// Taken from librdkafka and not read yet, the next one last.
    taken: Vec<Message>,
    queue: Queue,
    topic: CString,
    /// Assigned partitions without a record yet.
    silent: BTreeSet<Partition>,
    forward_at: Instant,
    forward_after: Duration,
    consumer: Arc<BaseConsumer<C>>,
}

/// A message of an assigned partition, until the next one is read.
pub struct Record<'a>(&'a Message);

impl<C: ConsumerContext> RecordQueue<C> {
    /// `reader` is unparked when records come into the empty queue.
    pub fn new(consumer: Arc<BaseConsumer<C>>, topic: &str, reader: Thread) -> KafkaResult<Self> {
        Ok(Self {
            current: None,
            taken: Vec::with_capacity(BATCH),
            queue: Queue::new(&consumer, reader)?,
            topic: CString::new(topic).map_err(KafkaError::Nul)?,
            silent: BTreeSet::new(),
            forward_at: Instant::now(),
            forward_after: FORWARD_AGAIN,
            consumer,
        })
    }

    pub fn consumer(&self) -> &Arc<BaseConsumer<C>> {
        &self.consumer
    }

    /// Must be called for partitions before they are assigned, so that all their records come into
    /// this queue.
    pub fn add(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        self.silent.extend(partitions);
        self.forward_after = FORWARD_AGAIN;
        self.forward();
    }

    /// Drops what was taken of partitions that are released.
    pub fn remove(&mut self, partitions: &[Partition]) {
        self.silent.retain(|partition| !partitions.contains(partition));
        self.taken.retain(|message| !partitions.contains(&message.position().partition));
    }

    /// Whether everything taken from librdkafka has been read.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Goes on to the next message that is an error or a record that is `wanted`. Returns false
    /// where nothing is left that was taken.
    #[inline]
    pub fn advance(&mut self, mut wanted: impl FnMut(&Record<'_>) -> bool) -> bool {
        loop {
            self.current = self.taken.pop();
            match &self.current {
                None => return false,
                Some(message) if message.is_error() || wanted(&Record(message)) => return true,
                Some(_) => {}
            }
        }
    }

    /// The message that [`Self::advance`] went to. After an error, the client must be given up.
    #[inline]
    pub fn current(&self) -> Option<KafkaResult<Record<'_>>> {
        self.current.as_ref().map(|message| {
            if message.is_error() { Err(message.error()) } else { Ok(Record(message)) }
        })
    }

    /// Takes what librdkafka has, without waiting, once everything before is read. Returns false
    /// where it has nothing.
    pub fn take(&mut self) -> bool {
        if !self.taken.is_empty() {
            return true;
        }
        let mut batch = [ptr::null_mut(); BATCH];
        // SAFETY: the queue lives, and the array has room for as many pointers as are asked for.
        let count = unsafe {
            rd_kafka_consume_batch_queue(self.queue.handle.as_ptr(), 0, batch.as_mut_ptr(), BATCH)
        };
        let count = usize::try_from(count).unwrap_or(0).min(BATCH);
        // Each pointer that librdkafka has written is a message that is ours to destroy.
        self.taken
            .extend(batch[..count].iter().rev().copied().filter_map(NonNull::new).map(Message));
        if !self.silent.is_empty() {
            // Messages of one partition come many in a row.
            let partition = |message: &Message| message.position().partition;
            for run in self.taken.chunk_by(|a, b| partition(a) == partition(b)) {
                self.silent.remove(&partition(&run[0]));
            }
        }
        !self.taken.is_empty()
    }

    /// Forwards silent partitions again where it is time; must be called every now and then.
    pub fn maintain(&mut self) {
        if !self.silent.is_empty() && Instant::now() >= self.forward_at {
            self.forward_after = (self.forward_after * 2).min(FORWARD_AGAIN_AT_MOST);
            self.forward();
        }
    }

    fn forward(&mut self) {
        self.forward_at = Instant::now() + self.forward_after;
        let client = self.consumer.client().native_ptr();
        for partition in &self.silent {
            // SAFETY: client, topic and queue live. The partition's handle is null or ours to
            // destroy, which leaves the forwarding in place.
            unsafe {
                let from = rd_kafka_queue_get_partition(client, self.topic.as_ptr(), partition.0);
                if !from.is_null() {
                    rd_kafka_queue_forward(from, self.queue.handle.as_ptr());
                    rd_kafka_queue_destroy(from);
                }
            }
        }
    }
}

impl Record<'_> {
    #[inline]
    pub fn position(&self) -> Position {
        self.0.position()
    }

    /// The record as the pipeline reads it; it borrows from the message.
    #[inline]
    pub fn event(&self) -> Event<'_> {
        let fields = self.0.fields();
        Event {
            at: self.0.position(),
            timestamp_ms: self.0.timestamp_ms(),
            // SAFETY: pointer and length of a message that lives as long as `self`.
            key: unsafe { bytes(fields.key, fields.key_len) },
            // SAFETY: as above.
            value: unsafe { bytes(fields.payload, fields.len) },
            headers: self,
        }
    }
}

impl HeaderList for Record<'_> {
    fn len(&self) -> usize {
        self.0.headers().map_or(0, native::header_count)
    }

    fn get(&self, index: usize) -> (&str, Option<&[u8]>) {
        self.0.headers().and_then(|headers| native::header(headers, index)).map_or(
            ("", None),
            // A name that is not UTF-8 breaks Kafka's own protocol; its value is kept unnamed.
            |(name, value)| (std::str::from_utf8(name).unwrap_or(""), value),
        )
    }
}

/// A record or an error; librdkafka's message is destroyed when this is dropped.
struct Message(NonNull<rd_kafka_message_t>);

impl Message {
    fn fields(&self) -> &rd_kafka_message_t {
        // SAFETY: the message is ours and lives until it is dropped; nobody writes to it.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn position(&self) -> Position {
        Position::new(self.fields().partition, self.fields().offset)
    }

    #[inline]
    fn is_error(&self) -> bool {
        self.fields().err != NO_ERROR
    }

    /// The error of a message that is one. It is logged with librdkafka's text, which says more than
    /// its code.
    fn error(&self) -> KafkaError {
        // SAFETY: the message lives, and with it the text, which is null or NUL-terminated.
        let text = unsafe {
            let text = rd_kafka_message_errstr(self.0.as_ptr());
            if text.is_null() { c"" } else { CStr::from_ptr(text) }
        };
        tracing::warn!(position = %self.position(), text = %text.to_string_lossy(), "reading a partition failed");
        KafkaError::MessageConsumption(RDKafkaErrorCode::from(self.fields().err))
    }

    /// Milliseconds since the epoch.
    fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = NOT_AVAILABLE;
        // SAFETY: the message lives; librdkafka writes the kind.
        let timestamp = unsafe { rd_kafka_message_timestamp(self.0.as_ptr(), &mut kind) };
        (kind != NOT_AVAILABLE && timestamp != -1).then_some(timestamp)
    }

    fn headers(&self) -> Option<&BorrowedHeaders> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message lives, and its headers with it. rdkafka's type is opaque: a reference
        // to it is the list's address.
        unsafe {
            match rd_kafka_message_headers(self.0.as_ptr(), &mut headers) {
                NO_ERROR => headers.cast::<BorrowedHeaders>().as_ref(),
                _ => None,
            }
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once.
        unsafe { rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// # Safety
/// `start` is null, or `length` bytes that live for `'a`.
#[inline]
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: see above.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

/// A queue of librdkafka's, and the thread that is unparked when something comes into it.
struct Queue {
    handle: NonNull<rd_kafka_queue_t>,
    reader: Box<Thread>,
}

impl Queue {
    fn new(consumer: &BaseConsumer<impl ConsumerContext>, reader: Thread) -> KafkaResult<Self> {
        // SAFETY: the client lives; what is returned is null or ours to destroy.
        let handle = NonNull::new(unsafe { rd_kafka_queue_new(consumer.client().native_ptr()) })
            .ok_or_else(|| KafkaError::ClientCreation("no queue for the records".to_owned()))?;
        let queue = Self { handle, reader: Box::new(reader) };
        let opaque = (&raw const *queue.reader).cast_mut().cast::<c_void>();
        // SAFETY: the thread's handle is boxed, so it stays where it is, and `drop` removes the
        // callback before it.
        unsafe { rd_kafka_queue_cb_event_enable(handle.as_ptr(), Some(on_records), opaque) }
        Ok(queue)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once, while the client lives.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.handle.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.handle.as_ptr());
        }
    }
}

/// librdkafka's threads call this when something comes into the empty queue.
unsafe extern "C" fn on_records(_client: *mut rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: the pointer that `Queue::new` gave, which lives until the callback is removed. A
    // `Thread` may be used from any thread.
    unsafe { &*opaque.cast::<Thread>() }.unpark();
}
