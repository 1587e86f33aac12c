//! Records of a transactional producer on their way: handing them to librdkafka, and what it says of
//! those that it could not deliver.
#![expect(unsafe_code, reason = "librdkafka's producer without its safe wrapper: see each block")]

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use rdkafka::bindings::*;
use rdkafka::client::ClientContext;
use rdkafka::error::RDKafkaErrorCode;

use rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;
use rd_kafka_vtype_t as Kind;

/// A record to produce. librdkafka copies its parts.
#[derive(Debug, Clone, Copy)]
pub struct Produced<'a> {
    pub topic: &'a str,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Names may repeat, values may be absent.
    pub headers: &'a [(String, Option<Vec<u8>>)],
    /// `None`: by the key, or any.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch. `None`: now.
    pub timestamp_ms: Option<i64>,
}

/// A record that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// What the caller named it.
    pub number: usize,
    pub code: RDKafkaErrorCode,
}

/// Collects the delivery reports of one client.
#[derive(Default)]
pub(super) struct Deliveries(Mutex<Vec<Undelivered>>);

impl ClientContext for Deliveries {}

impl Deliveries {
    /// The records that were not delivered, once.
    pub fn take(&self) -> Vec<Undelivered> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, undelivered: Undelivered) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(undelivered);
    }
}

/// Called by librdkafka for each record that was delivered, or was not.
///
/// # Safety
/// `opaque` is the client's [`Deliveries`], as `Client::new` sets it, and `message` lives during the
/// call.
pub(super) unsafe extern "C" fn on_delivery(
    _client: *mut rd_kafka_t,
    message: *const rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: see above.
    let (deliveries, message) = unsafe { (&*opaque.cast::<Deliveries>(), &*message) };
    if message.err != NO_ERROR {
        let number = message._private.addr();
        deliveries.add(Undelivered { number, code: message.err.into() });
    }
}

/// Hands a record to librdkafka. Returns null, or an error for the caller to destroy.
///
/// # Safety
/// The client lives.
pub(super) unsafe fn produce(
    client: *mut rd_kafka_t,
    record: &Produced<'_>,
    number: usize,
) -> *mut rd_kafka_error_t {
    let names = record.headers.iter().map(|(name, _)| text(name));
    let (topic, names): (CString, Vec<CString>) = (text(record.topic), names.collect());
    let mut parts = vec![
        part(Kind::RD_KAFKA_VTYPE_TOPIC, Value { cstr: topic.as_ptr() }),
        part(Kind::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: RD_KAFKA_MSG_F_COPY }),
        part(Kind::RD_KAFKA_VTYPE_KEY, Value { mem: memory(record.key) }),
        part(Kind::RD_KAFKA_VTYPE_VALUE, Value { mem: memory(record.value) }),
        part(Kind::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: ptr::without_provenance_mut(number) }),
    ];
    if let Some(partition) = record.partition {
        parts.push(part(Kind::RD_KAFKA_VTYPE_PARTITION, Value { i32_: partition }));
    }
    if let Some(timestamp) = record.timestamp_ms {
        parts.push(part(Kind::RD_KAFKA_VTYPE_TIMESTAMP, Value { i64_: timestamp }));
    }
    for (name, (_, value)) in names.iter().zip(record.headers) {
        let Memory { ptr, size } = memory(value.as_deref());
        let size = isize::try_from(size).unwrap_or_default();
        let header = Header { name: name.as_ptr(), val: ptr, size };
        parts.push(part(Kind::RD_KAFKA_VTYPE_HEADER, Value { header }));
    }
    // SAFETY: the client lives; each part has the member of the union that its type names, and what
    // it points to lives during the call, which copies it.
    unsafe { rd_kafka_produceva(client, parts.as_ptr(), parts.len()) }
}

use rd_kafka_vu_s__bindgen_ty_1 as Value;
use rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory;
use rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 as Header;

fn part(vtype: Kind, u: Value) -> rd_kafka_vu_t {
    rd_kafka_vu_t { vtype, u }
}

/// `None` is null, which is not the same as no bytes.
fn memory(bytes: Option<&[u8]>) -> Memory {
    match bytes {
        Some(bytes) => Memory { ptr: bytes.as_ptr().cast_mut().cast(), size: bytes.len() },
        None => Memory { ptr: ptr::null_mut(), size: 0 },
    }
}

/// A text for C, up to the first NUL: a name with one cannot be sent.
fn text(text: &str) -> CString {
    let whole = text.split('\0').next().unwrap_or_default();
    CString::new(whole).unwrap_or_default()
}
