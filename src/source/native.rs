//! Calls of librdkafka that the safe wrapper lacks. It panics on header names and committed
//! metadata that are not UTF-8, both of which other programs write. And its `position()` asks
//! librdkafka's main thread for the whole assignment, where one partition is needed.
#![expect(unsafe_code, reason = "small, audited: each block says why it is sound")]

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as NO_ERROR;
#[cfg(any(test, feature = "local"))]
use rdkafka::bindings::{
    rd_kafka_handle_mock_cluster, rd_kafka_mock_group_initial_rebalance_delay_ms,
};
use rdkafka::bindings::{
    rd_kafka_header_cnt, rd_kafka_header_get_all, rd_kafka_mem_free, rd_kafka_memberid,
    rd_kafka_message_status, rd_kafka_msg_status_t, rd_kafka_position, rd_kafka_resp_err_t,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage};
use rdkafka::{Offset, TopicPartitionList};

use crate::record::Partition;

pub fn header_count(headers: &BorrowedHeaders) -> usize {
    // SAFETY: a `&BorrowedHeaders` is the list's own address, alive as long as the reference.
    unsafe { rd_kafka_header_cnt(ptr::from_ref(headers).cast()) }
}

/// Name and value of one header; both live as long as the message.
pub fn header(headers: &BorrowedHeaders, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
    let mut name: *const c_char = ptr::null();
    let mut value: *const c_void = ptr::null();
    let mut size = 0usize;
    // SAFETY: as above; librdkafka sets the three where it returns no error, and its documentation
    // says that the name is NUL-terminated (rd_kafka_header_get_all).
    unsafe {
        let answer = rd_kafka_header_get_all(
            ptr::from_ref(headers).cast(),
            index,
            &mut name,
            &mut value,
            &mut size,
        );
        if answer != NO_ERROR || name.is_null() {
            return None;
        }
        let value =
            (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
        Some((CStr::from_ptr(name).to_bytes(), value))
    }
}

/// Metadata of the list's entry at `index`, empty where there is none. Bytes that are not UTF-8 are
/// replaced.
pub fn metadata(list: &TopicPartitionList, index: usize) -> Cow<'_, str> {
    if index >= list.count() {
        return Cow::Borrowed("");
    }
    // SAFETY: the list owns `cnt` elements and is borrowed as long as the returned text; an
    // element's metadata is null or `metadata_size` bytes.
    unsafe {
        let element = &*(*list.ptr()).elems.add(index);
        if element.metadata.is_null() {
            return Cow::Borrowed("");
        }
        let bytes =
            std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
        String::from_utf8_lossy(bytes)
    }
}

/// Whether a record that was not delivered is not on the topic either: it was never sent, or the
/// broker has refused it.
pub fn is_surely_lost(message: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the message lives, and is one of a delivery report, as the function requires.
    let status = unsafe { rd_kafka_message_status(message.ptr()) };
    status == rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED
}

/// Whether the group has given this client a member id.
pub fn has_member_id(client: &Client<impl ClientContext>) -> bool {
    let client = client.native_ptr();
    // SAFETY: the client lives; the answer is null or a NUL-terminated text, ours to free.
    unsafe {
        let id = rd_kafka_memberid(client);
        if id.is_null() {
            return false;
        }
        let is_empty = *id == 0;
        rd_kafka_mem_free(client, id.cast());
        !is_empty
    }
}

/// The offset after the last record or transaction marker that was taken from a partition's queue;
/// none before the first.
pub fn position(
    client: &Client<impl ClientContext>,
    topic: &str,
    partition: Partition,
) -> Option<i64> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(topic, partition.0);
    // SAFETY: client and list live; librdkafka writes the offset of the list's own entry.
    let answer = unsafe { rd_kafka_position(client.native_ptr(), list.ptr()) };
    if answer != NO_ERROR {
        return None;
    }
    match list.find_partition(topic, partition.0)?.offset() {
        Offset::Offset(at) => Some(at),
        _ => None,
    }
}

/// Starts the groups of this client's mock cluster (`test.mock.num.brokers`) with their first member,
/// where they would wait three seconds for further ones. Nothing happens without a mock cluster.
#[cfg(any(test, feature = "local"))]
pub fn start_mock_groups_at_once(client: &Client<impl ClientContext>) {
    // SAFETY: the client lives, and its mock cluster with it.
    unsafe {
        let cluster = rd_kafka_handle_mock_cluster(client.native_ptr());
        if !cluster.is_null() {
            rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}
