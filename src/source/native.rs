//! The two places where librdkafka's memory is read directly, because the safe wrapper panics on
//! text that is not UTF-8: header names and committed metadata, both written by strangers.
#![expect(unsafe_code, reason = "small, audited: each block says why it is sound")]

use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use rdkafka::TopicPartitionList;
use rdkafka::bindings::{rd_kafka_header_cnt, rd_kafka_header_get_all, rd_kafka_resp_err_t};
use rdkafka::message::BorrowedHeaders;

pub fn header_count(headers: &BorrowedHeaders) -> usize {
    // SAFETY: a `&BorrowedHeaders` is the list's own address, alive as long as the reference.
    unsafe { rd_kafka_header_cnt(ptr::from_ref(headers).cast()) }
}

/// Name and value of one header; both live as long as the message.
pub fn header(headers: &BorrowedHeaders, index: usize) -> Option<(&[u8], Option<&[u8]>)> {
    let mut name: *const c_char = ptr::null();
    let mut value: *const c_void = ptr::null();
    let mut size = 0usize;
    // SAFETY: as above; librdkafka fills the three only when it answers without an error, and the
    // name is NUL-terminated by its own contract (rd_kafka_header_get_all).
    unsafe {
        let answer = rd_kafka_header_get_all(
            ptr::from_ref(headers).cast(),
            index,
            &mut name,
            &mut value,
            &mut size,
        );
        if answer != rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            return None;
        }
        let value =
            (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
        Some((CStr::from_ptr(name).to_bytes(), value))
    }
}

/// Metadata of the list's entry at `index`, empty where there is none.
pub fn metadata(list: &TopicPartitionList, index: usize) -> Cow<'_, str> {
    if index >= list.count() {
        return Cow::Borrowed("");
    }
    // SAFETY: the list owns `cnt` elements and is borrowed for the answer's life; an element's
    // metadata is null or `metadata_size` bytes.
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
