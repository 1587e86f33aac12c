//! Records in batches, from a queue of our own into which the owned partitions' queues are
//! forwarded. The safe wrapper takes records one by one, each as an event with a reference count
//! and several looks at the clock; a batch spares all of that (docs/performance.md has what it
//! gave).
//!
//! Two things are peculiar, and both are librdkafka's. The *client's* queue must never be read in
//! batches, because the batch reader takes a rebalance for a record and aborts: that queue is
//! polled beside this one. And giving a partition up undoes its forwarding, later, on another
//! thread, which can overtake the forwarding of the next assignment: so a partition is forwarded
//! again until something has come from it.
#![expect(
    unsafe_code,
    reason = "batch reading has no safe wrapper: each block says why it is sound"
)]

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{CString, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::thread::Thread;

use rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;
use rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE as NOT_AVAILABLE;
use rdkafka::bindings::*;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedHeaders;
use rdkafka::types::RDKafkaErrorCode;

use super::{Event, HeaderList, Partition, Position, native};

/// Records taken at once: enough that what a batch costs does not count, and far less than what
/// librdkafka holds ready.
const BATCH: usize = 512;

/// The queue of all owned partitions' records, and those already taken from it.
pub struct Records {
    topic: CString,
    taken: VecDeque<Taken>,
    /// Where librdkafka puts the next batch.
    batch: Box<[*mut rd_kafka_message_t; BATCH]>,
    /// Assigned partitions of which nothing has come yet.
    unheard: BTreeSet<Partition>,
    queue: Queue,
}

/// A record, alive as long as its consumer.
pub struct Record<'a> {
    taken: Taken,
    consumer: PhantomData<&'a Records>,
}

/// What a queue of records holds besides: the end of a partition, or an error of one.
pub enum Next<'a> {
    Record(Record<'a>),
    Error(KafkaError),
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
            taken: VecDeque::with_capacity(BATCH),
            batch: Box::new([ptr::null_mut(); BATCH]),
            unheard: BTreeSet::new(),
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
        self.forward(client);
    }

    /// Forgets what was taken of partitions given up: it may be read again, by this client too.
    pub fn forget(&mut self, partitions: &[Partition]) {
        self.unheard.retain(|partition| !partitions.contains(partition));
        self.taken.retain(|taken| !partitions.contains(&taken.partition()));
    }

    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// The next record that is already here.
    pub fn next(&mut self) -> Option<Next<'_>> {
        let taken = self.taken.pop_front()?;
        Some(match taken.error() {
            None => Next::Record(Record { taken, consumer: PhantomData }),
            Some(error) => Next::Error(error),
        })
    }

    /// Takes what librdkafka has ready; never waits.
    pub fn take(&mut self, client: &Client<impl ClientContext>) {
        if !self.unheard.is_empty() {
            self.forward(client);
        }
        // Asked with a timeout, librdkafka would wait until the batch is full.
        // SAFETY: the queue lives, and the batch has room for `BATCH`.
        let count = unsafe {
            let batch = self.batch.as_mut_ptr();
            rd_kafka_consume_batch_queue(self.queue.handle.as_ptr(), 0, batch, BATCH)
        };
        let count = usize::try_from(count).unwrap_or(0);
        for message in self.batch[..count].iter().copied().filter_map(NonNull::new) {
            let taken = Taken(message);
            if !self.unheard.is_empty() {
                self.unheard.remove(&taken.partition());
            }
            self.taken.push_back(taken);
        }
    }

    fn forward(&self, client: &Client<impl ClientContext>) {
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
            at: Position::new(message.partition, message.offset),
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

/// A message that is ours to destroy.
struct Taken(NonNull<rd_kafka_message_t>);

impl Taken {
    fn message(&self) -> &rd_kafka_message_t {
        // SAFETY: ours, and alive until dropped; nobody else writes to it.
        unsafe { self.0.as_ref() }
    }

    fn partition(&self) -> Partition {
        Partition(self.message().partition)
    }

    fn error(&self) -> Option<KafkaError> {
        match self.message().err {
            NO_ERROR => None,
            rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                Some(KafkaError::PartitionEOF(self.message().partition))
            }
            error => Some(KafkaError::MessageConsumption(RDKafkaErrorCode::from(error))),
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
