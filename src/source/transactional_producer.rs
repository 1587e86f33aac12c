//! A producer of transactions: of offsets alone, or of records and offsets. It is called through
//! librdkafka's own interface, because it has to know one thing that the safe wrapper hides: whether
//! a commit was sent twice. When a connection breaks librdkafka repeats the request by itself and
//! the call succeeds; but the first copy may still be on its way, and a later transaction would
//! take it in and move the group back.
#![expect(unsafe_code, reason = "librdkafka's interceptors have no safe wrapper: see each block")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings::*;
use rdkafka::client::Client;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaType;

use super::client::log_line;
use super::deliveries::{self, Deliveries, Produced, Undelivered};
use rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;

/// Kafka's numbers for the two requests by which a commit takes effect.
const TXN_OFFSET_COMMIT: i16 = 28;
const END_TXN: i16 = 26;

/// What librdkafka says of a call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct TransactionError {
    pub code: RDKafkaErrorCode,
    pub text: String,
    /// The same call may be made again, and goes on where it was.
    pub is_retriable: bool,
}

/// Member id and generation of a consumer at one moment.
pub struct Membership(NonNull<rd_kafka_consumer_group_metadata_t>);

impl Membership {
    /// `None` where the client is no consumer of a group.
    pub fn of(consumer: &Client<impl rdkafka::ClientContext>) -> Option<Self> {
        // SAFETY: the client lives; the answer is null or ours to destroy.
        NonNull::new(unsafe { rd_kafka_consumer_group_metadata(consumer.native_ptr()) }).map(Self)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once.
        unsafe { rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

/// Not to be called from two threads at once.
pub struct TransactionalProducer {
    /// Dropped first: its threads call the interceptors until then.
    client: Client<Deliveries>,
    /// A request that carries a commit ended without the broker's answer.
    lost_answer: Box<AtomicBool>,
}

impl TransactionalProducer {
    pub fn create(config: &ClientConfig) -> KafkaResult<Self> {
        let native = config.create_native_config()?;
        let lost_answer = Box::<AtomicBool>::default();
        let opaque = (&raw const *lost_answer).cast_mut().cast::<c_void>();
        // SAFETY: the configuration lives. `opaque` is boxed and outlives the client, which is
        // dropped before it and joins its threads then; it is only ever used as `&AtomicBool`.
        let hooked = unsafe {
            rd_kafka_conf_set_log_cb(native.ptr(), Some(on_log));
            rd_kafka_conf_set_dr_msg_cb(native.ptr(), Some(deliveries::on_delivery));
            rd_kafka_conf_interceptor_add_on_new(native.ptr(), NAME, Some(on_new), opaque)
        };
        if hooked != NO_ERROR {
            return Err(KafkaError::Global(hooked.into()));
        }
        let kind = RDKafkaType::RD_KAFKA_PRODUCER;
        let client = Client::new(config, native, kind, Deliveries::default())?;
        Ok(Self { client, lost_answer })
    }

    /// Ends what an earlier producer of the same transactional id left behind, and fences it.
    pub fn init(&self, within: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client lives.
        self.check(unsafe { rd_kafka_init_transactions(self.client.native_ptr(), millis(within)) })
    }

    pub fn begin(&self) -> Result<(), TransactionError> {
        // SAFETY: the client lives.
        self.check(unsafe { rd_kafka_begin_transaction(self.client.native_ptr()) })
    }

    /// Adds a record to the transaction, which librdkafka sends when it sees fit. `number` is the
    /// caller's name for it.
    pub fn produce(&self, record: &Produced<'_>, number: usize) -> Result<(), TransactionError> {
        // SAFETY: the client lives.
        self.check(unsafe { deliveries::produce(self.client.native_ptr(), record, number) })
    }

    /// Waits until every record was delivered or not; false at the deadline.
    pub fn flush(&self, within: Duration) -> bool {
        // SAFETY: the client lives.
        unsafe { rd_kafka_flush(self.client.native_ptr(), millis(within)) == NO_ERROR }
    }

    /// Returns, once, the records that were not delivered since the last call.
    pub fn take_undelivered(&self) -> Vec<Undelivered> {
        self.client.context().take()
    }

    /// Gives up the open transaction with all that is in it.
    pub fn abort(&self, within: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client lives.
        self.check(unsafe { rd_kafka_abort_transaction(self.client.native_ptr(), millis(within)) })
    }

    /// Blocks until the group coordinator has answered.
    pub fn send(
        &self,
        offsets: &TopicPartitionList,
        membership: &Membership,
        within: Duration,
    ) -> Result<(), TransactionError> {
        // SAFETY: the client lives; the list and the membership are copied by the call.
        self.check(unsafe {
            rd_kafka_send_offsets_to_transaction(
                self.client.native_ptr(),
                offsets.ptr(),
                membership.0.as_ptr(),
                millis(within),
            )
        })
    }

    /// Blocks until the transaction coordinator has answered.
    pub fn end(&self, within: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client lives.
        self.check(unsafe { rd_kafka_commit_transaction(self.client.native_ptr(), millis(within)) })
    }

    /// Whether a commit's request was ever lost with its connection. Where the call succeeded all
    /// the same it was sent a second time, and the first copy may still arrive. Ask between calls.
    pub fn lost_answer(&self) -> bool {
        self.lost_answer.load(Relaxed)
    }

    fn check(&self, error: *mut rd_kafka_error_t) -> Result<(), TransactionError> {
        // SAFETY: the client lives. This serves its log lines; nobody else does.
        unsafe { rd_kafka_poll(self.client.native_ptr(), 0) };
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not null, so ours until it is destroyed here; its text is copied before.
        unsafe {
            let code = rd_kafka_error_code(error).into();
            let text = text(rd_kafka_error_string(error));
            let is_retriable = rd_kafka_error_is_retriable(error) != 0;
            rd_kafka_error_destroy(error);
            Err(TransactionError { code, text, is_retriable })
        }
    }
}

fn millis(within: Duration) -> c_int {
    c_int::try_from(within.as_millis()).unwrap_or(c_int::MAX)
}

/// # Safety
/// `words` is NUL-terminated and lives during the call.
unsafe fn text(words: *const c_char) -> String {
    // SAFETY: see above.
    unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
}

// ---------------------------------------------------------------------- called by librdkafka

/// The interceptors' name, in librdkafka's own messages.
const NAME: *const c_char = c"commit-answers".as_ptr();

unsafe extern "C" fn on_new(
    client: *mut rd_kafka_t,
    _config: *const rd_kafka_conf_t,
    opaque: *mut c_void,
    _error: *mut c_char,
    _error_size: usize,
) -> rd_kafka_resp_err_t {
    // SAFETY: the client is being made, the only moment at which it takes interceptors.
    unsafe { rd_kafka_interceptor_add_on_response_received(client, NAME, Some(on_answer), opaque) }
}

unsafe extern "C" fn on_answer(
    _client: *mut rd_kafka_t,
    _socket: c_int,
    _broker: *const c_char,
    _broker_id: i32,
    api_key: i16,
    _version: i16,
    _correlation: i32,
    _size: usize,
    _round_trip: i64,
    error: rd_kafka_resp_err_t,
    opaque: *mut c_void,
) -> rd_kafka_resp_err_t {
    // An error here is the transport's: what the broker refuses is an answer too.
    if matches!(api_key, TXN_OFFSET_COMMIT | END_TXN) && error != NO_ERROR {
        // SAFETY: what `create` gave, alive as long as the client.
        unsafe { &*opaque.cast::<AtomicBool>() }.store(true, Relaxed);
    }
    NO_ERROR
}

unsafe extern "C" fn on_log(
    _client: *const rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    let level = match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 | 6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    };
    // SAFETY: both are NUL-terminated and live during the call.
    let (facility, line) = unsafe { (text(facility), text(line)) };
    log_line(level, &facility, &line);
}

#[cfg(test)]
mod tests {
    use rdkafka::Offset;
    use rdkafka::bindings::rd_kafka_resp_err_t as Code;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaApiKey;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    /// One commit, where the broker answers the first requests of a kind in the given way.
    fn loses_an_answer(api_key: RDKafkaApiKey, answer: Code) -> bool {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("events", 1, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "group");
        let consumer: BaseConsumer = config.create().unwrap();
        config.remove("group.id");
        config.set("transactional.id", "group-1").set("retry.backoff.ms", "5");
        let producer = TransactionalProducer::create(&config).unwrap();
        producer.init(WITHIN).unwrap();
        cluster.request_errors(api_key, &[answer]);
        producer.begin().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("events", 0, Offset::Offset(1)).unwrap();
        let membership = Membership::of(consumer.client()).unwrap();
        producer.send(&list, &membership, WITHIN).unwrap();
        producer.end(WITHIN).unwrap();
        producer.lost_answer()
    }

    #[test]
    fn a_commit_over_a_connection_that_breaks_succeeds_and_is_in_doubt() {
        let broken = Code::RD_KAFKA_RESP_ERR__TRANSPORT;
        assert!(loses_an_answer(RDKafkaApiKey::TxnOffsetCommit, broken));
        assert!(loses_an_answer(RDKafkaApiKey::EndTxn, broken));
    }

    #[test]
    fn a_request_that_is_refused_and_repeated_was_answered() {
        let loading = Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
        assert!(!loses_an_answer(RDKafkaApiKey::TxnOffsetCommit, loading));
        assert!(!loses_an_answer(RDKafkaApiKey::EndTxn, loading));
        assert!(!loses_an_answer(RDKafkaApiKey::Produce, Code::RD_KAFKA_RESP_ERR_NO_ERROR));
    }
}
