//! The code of an error of librdkafka.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The error's code; rdkafka leaves out that of the admin API.
pub fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}
