//! Records, many at once, from a queue of our own into which the owned partitions' queues are
//! forwarded. The safe wrapper makes an event and a reference count of each record and looks at
//! the clock several times; docs/performance.md has what it gave to do without.
//!
//! Three things are peculiar, and all are librdkafka's. The *client's* queue cannot be read by this
//! call, which takes a rebalance for a record and aborts: it is polled beside this one. Giving a
//! partition up undoes its forwarding, later, on another thread, which can overtake the forwarding
//! of the next assignment: so a partition is forwarded again until something has come from it. And
//! an error read by this call moves the partition's position behind the error's offset: so ends of
//! partitions are not asked for as messages, and after any other error the client is done with
//! (docs/adr/0007-what-speed-costs.md).
#![expect(unsafe_code, reason = "no safe wrapper reads this way: each block says why it is sound")]

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;
use rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE as NOT_AVAILABLE;
use rdkafka::bindings::*;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedHeaders;
use rdkafka::types::RDKafkaErrorCode;

use super::native;
use crate::record::{Event, HeaderList, Partition, Position};

/// Records taken at once: the call's own cost is shared by many, and what they touch of memory is
/// still near when they are read.
const AT_ONCE: usize = 128;

/// A partition of which nothing has come is forwarded again after this long, and after twice as
/// long each time up to the second one.
const FORWARD_AGAIN: Duration = Duration::from_millis(5);
const FORWARD_AGAIN_AT_LAST: Duration = Duration::from_secs(1);

/// The queue of all owned partitions' records.
pub struct Records {
    topic: CString,
    /// Assigned partitions of which nothing has come yet.
    unheard: BTreeSet<Partition>,
    /// When they are forwarded again, and how long after that: a forwarding is undone soon or not
    /// at all, and a partition may stay empty for days.
    forward_at: Instant,
    patience: Duration,
    /// Taken and not handed out yet, the next one last.
    taken: Vec<Taken>,
    queue: Queue,
}

/// A record, alive as long as its consumer.
pub struct Record<'a> {
    taken: Taken,
    consumer: PhantomData<&'a Records>,
}

impl Record<'_> {
    pub(super) fn of(taken: Taken) -> Self {
        Self { taken, consumer: PhantomData }
    }
}

impl Records {
    /// `client` must outlive the answer. `reader` is unparked when records come.
    pub fn of(
        client: &Client<impl ClientContext>,
        topic: &str,
        reader: Thread,
    ) -> KafkaResult<Self> {
        Ok(Self {
            topic: CString::new(topic).map_err(KafkaError::Nul)?,
            unheard: BTreeSet::new(),
            forward_at: Instant::now(),
            patience: FORWARD_AGAIN,
            taken: Vec::with_capacity(AT_ONCE),
            queue: Queue::of(client, reader)?,
        })
    }

    /// From here on these partitions' records come through this queue. To be called before they
    /// are assigned, so that none goes elsewhere.
    pub fn follow(
        &mut self,
        client: &Client<impl ClientContext>,
        partitions: impl IntoIterator<Item = Partition>,
    ) {
        self.unheard.extend(partitions);
        self.patience = FORWARD_AGAIN;
        self.forward(client);
    }

    /// These partitions are given up: nothing is expected of them, and what was taken is dropped.
    pub fn leave(&mut self, partitions: &[Partition]) {
        self.unheard.retain(|partition| !partitions.contains(partition));
        self.taken.retain(|taken| !partitions.contains(&taken.at().partition));
    }

    /// The next of those taken: a record, or an error in its place.
    #[inline]
    pub fn next(&mut self) -> Option<Taken> {
        self.taken.pop()
    }

    /// Whether all that were taken have been handed out.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Takes what is there, once everything taken before is handed out; never waits. Answers
    /// whether there is something.
    pub fn take(&mut self) -> bool {
        if !self.is_empty() {
            return true;
        }
        // SAFETY: the queue lives. Pointers are written into room for as many, each to a message
        // that is ours to destroy, which is what a `Taken` is; so many of them as are answered.
        unsafe {
            let (queue, room) = (self.queue.handle.as_ptr(), self.taken.as_mut_ptr().cast());
            let count = rd_kafka_consume_batch_queue(queue, 0, room, AT_ONCE);
            self.taken.set_len(usize::try_from(count).unwrap_or(0));
        }
        self.taken.reverse();
        if !self.unheard.is_empty() {
            // They come as they were fetched, many of a partition in a row.
            for run in self.taken.chunk_by(|a, b| a.at().partition == b.at().partition) {
                self.unheard.remove(&run[0].at().partition);
            }
        }
        !self.is_empty()
    }

    /// Forwards again what may have lost its forwarding; to be called now and then.
    pub fn attend(&mut self, client: &Client<impl ClientContext>) {
        if !self.unheard.is_empty() && Instant::now() >= self.forward_at {
            self.patience = (self.patience * 2).min(FORWARD_AGAIN_AT_LAST);
            self.forward(client);
        }
    }

    fn forward(&mut self, client: &Client<impl ClientContext>) {
        self.forward_at = Instant::now() + self.patience;
        for partition in &self.unheard {
            // SAFETY: client, name and queue live; the partition's handle is null or ours, and
            // destroying a handle leaves the forwarding in place.
            unsafe {
                let topic = self.topic.as_ptr();
                let from = rd_kafka_queue_get_partition(client.native_ptr(), topic, partition.0);
                if !from.is_null() {
                    rd_kafka_queue_forward(from, self.queue.handle.as_ptr());
                    rd_kafka_queue_destroy(from);
                }
            }
        }
    }
}

impl Record<'_> {
    /// The record in the words of the pipeline.
    #[inline]
    pub fn event(&self) -> Event<'_> {
        let message = self.taken.message();
        Event {
            at: self.taken.at(),
            timestamp_ms: self.taken.timestamp_ms(),
            // SAFETY: librdkafka's pointers and lengths of a record that lives with `self`.
            key: unsafe { bytes(message.key, message.key_len) },
            // SAFETY: as above.
            value: unsafe { bytes(message.payload, message.len) },
            headers: self,
        }
    }
}

impl HeaderList for Record<'_> {
    fn len(&self) -> usize {
        self.taken.headers().map_or(0, native::header_count)
    }

    fn get(&self, index: usize) -> (&str, Option<&[u8]>) {
        self.taken.headers().and_then(|headers| native::header(headers, index)).map_or(
            ("", None),
            // A name that is not UTF-8 breaks Kafka's own protocol; its value is kept unnamed.
            |(name, value)| (std::str::from_utf8(name).unwrap_or(""), value),
        )
    }
}

/// A message that is ours to destroy, before its consumer: a record, or an error.
#[repr(transparent)]
pub struct Taken(NonNull<rd_kafka_message_t>);

impl Taken {
    fn message(&self) -> &rd_kafka_message_t {
        // SAFETY: ours, and alive until dropped; nobody else writes to it.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub fn at(&self) -> Position {
        Position::new(self.message().partition, self.message().offset)
    }

    /// What is wrong with the partition; `None` of a record.
    #[inline]
    pub fn error(&self) -> Option<KafkaError> {
        match self.message().err {
            NO_ERROR => None,
            error => {
                tracing::warn!(
                    partition = self.message().partition,
                    offset = self.message().offset,
                    "{}",
                    self.error_text()
                );
                Some(KafkaError::MessageConsumption(RDKafkaErrorCode::from(error)))
            }
        }
    }

    /// What librdkafka says of the error, which its code alone does not tell.
    fn error_text(&self) -> String {
        // SAFETY: the message lives, and its text with it; it is NUL-terminated.
        unsafe {
            let text = rd_kafka_message_errstr(self.0.as_ptr());
            if text.is_null() {
                return String::new();
            }
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    }

    fn timestamp_ms(&self) -> Option<i64> {
        let mut kind = NOT_AVAILABLE;
        // SAFETY: the message lives.
        let timestamp = unsafe { rd_kafka_message_timestamp(self.0.as_ptr(), &mut kind) };
        (kind != NOT_AVAILABLE && timestamp != -1).then_some(timestamp)
    }

    fn headers(&self) -> Option<&BorrowedHeaders> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message lives, and its headers with it; rdkafka's type is opaque, and stands
        // for the address alone.
        unsafe {
            match rd_kafka_message_headers(self.0.as_ptr(), &mut headers) {
                NO_ERROR => headers.cast::<BorrowedHeaders>().as_ref(),
                _ => None,
            }
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once.
        unsafe { rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// # Safety
/// `start` is null, or `length` bytes that live as long as the answer.
#[inline]
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: see above.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast(), length) })
}

/// A queue that is ours to destroy, and the thread that reads it.
struct Queue {
    handle: NonNull<rd_kafka_queue_t>,
    reader: Box<Thread>,
}

impl Queue {
    fn of(client: &Client<impl ClientContext>, reader: Thread) -> KafkaResult<Self> {
        // SAFETY: the client lives; the answer is null or ours to destroy.
        let handle = NonNull::new(unsafe { rd_kafka_queue_new(client.native_ptr()) })
            .ok_or_else(|| KafkaError::ClientCreation("no queue for its records".to_owned()))?;
        let queue = Self { handle, reader: Box::new(reader) };
        let opaque = (&raw const *queue.reader).cast_mut().cast::<c_void>();
        // SAFETY: the reader is boxed and outlives the callback, which `drop` removes first.
        unsafe { rd_kafka_queue_cb_event_enable(handle.as_ptr(), Some(on_records), opaque) }
        Ok(queue)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once, before the client is.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.handle.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.handle.as_ptr());
        }
    }
}

/// Called by librdkafka's threads when the first record comes into the empty queue.
unsafe extern "C" fn on_records(_client: *mut rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: what `Queue::of` gave, alive until the callback is removed; a `Thread` is `Sync`.
    unsafe { &*opaque.cast::<Thread>() }.unpark();
}
