//! The owner of a partition: the producer that has the partition's transactional id, and what the
//! cluster keeps of the partition.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::errors::OutError;
use super::progress::Slot;
use super::target::Target;
use crate::record::{Offset, Partition};
use crate::sink::StoredOffset;
use crate::source::{Membership, TransactionalProducer, committed_metadata};

/// How long ending the transactions of the owner before may take at a time.
const INIT: Duration = Duration::from_secs(10);
/// How long one request for offsets may take.
const READ: Duration = Duration::from_secs(10);

/// A partition's owner, until another one claims it.
pub(super) struct Owner {
    pub producer: TransactionalProducer,
    /// The group that keeps the offset, without a member of it.
    pub membership: Membership,
    pub slot: Slot,
    /// What the cluster keeps, as this owner read it or wrote it last.
    pub stored: Option<StoredOffset>,
}

impl Owner {
    /// Takes the partition over. First the producer gets the transactional id: an open transaction of
    /// the owner before is aborted, one that it was committing is committed, and nothing that it
    /// sends from now on is taken. So what is read afterwards stays as it is until this owner
    /// changes it.
    pub fn claim(target: &Target, partition: Partition) -> Result<Self, OutError> {
        let slot = target.progress.slot(partition);
        let mut config = target.producer.clone();
        config
            .set("transactional.id", target.progress.transactional_id(partition))
            .set("batch.size", target.batch_bytes.load(Ordering::Relaxed).to_string());
        let producer =
            TransactionalProducer::create(&config).map_err(OutError::kafka("create a producer"))?;
        producer.init(INIT).map_err(OutError::transaction("take a partition over"))?;
        let mut config = target.offsets.clone();
        config.set("group.id", &slot.group);
        let reader: BaseConsumer = config.create().map_err(OutError::kafka("create a client"))?;
        let stored = match target.source_is_new {
            true => None,
            false => read(&reader, &slot)?,
        };
        let operation = "read an offset";
        let membership = Membership::of(reader.client()).ok_or(OutError::NoAnswer { operation })?;
        Ok(Self { producer, membership, slot, stored })
    }
}

/// What the group keeps. Waits for transactions that are pending.
pub(super) fn read(reader: &BaseConsumer, slot: &Slot) -> Result<Option<StoredOffset>, OutError> {
    let operation = "read an offset";
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(&slot.topic, slot.partition);
    let found = reader.committed_offsets(list, READ).map_err(OutError::kafka(operation))?;
    let elements = found.elements();
    let Some(element) = elements.first() else { return Err(OutError::NoAnswer { operation }) };
    element.error().map_err(OutError::kafka(operation))?;
    Ok(match element.offset() {
        KafkaOffset::Offset(next) => {
            let note = committed_metadata(&found, 0).into_owned();
            Some(StoredOffset { next: Offset(next), note })
        }
        _ => None,
    })
}
