//! Whole sessions on librdkafka's mock cluster and a sink in memory, for each way in which a sink
//! makes rows durable.

mod catching_up;
mod dead_share;
mod faults;
mod memory_sink;
mod ownership;
mod rig;
#[cfg(feature = "local")]
mod seven_days;
mod steps;
mod succession;
mod traces;
