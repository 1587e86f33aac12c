//! Verdicts on errors, and where progress is kept.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::record::Partition;
use crate::sink::kafka::errors::{Names, OutError, Verdict, verdict};
use crate::sink::kafka::progress::{Place, Progress, Slot};

const NAMES: Names<'static> = Names { topic: "out", group: "g/in/3", transactional_id: "g/in/3" };

#[test]
fn an_outage_is_retried_and_a_person_is_told_what_to_do() {
    for code in [
        Code::BrokerTransportFailure,
        Code::AllBrokersDown,
        Code::OperationTimedOut,
        Code::MessageTimedOut,
        Code::NotEnoughReplicas,
        Code::CoordinatorNotAvailable,
        Code::ConcurrentTransactions,
        Code::OutOfOrderSequenceNumber,
        Code::Resolve,
    ] {
        assert_eq!(verdict(code, &NAMES), Verdict::Retry, "{code:?}");
    }
    for (code, named) in [
        (Code::UnknownTopicOrPartition, "create the topics out"),
        (Code::TopicAuthorizationFailed, "WRITE and DESCRIBE on the topics out"),
        (Code::TransactionalIdAuthorizationFailed, "transactional id g/in/3"),
        (Code::GroupAuthorizationFailed, "READ on the group g/in/3"),
        (Code::Authentication, "security properties"),
    ] {
        match verdict(code, &NAMES) {
            Verdict::Stop(hint) => assert!(hint.contains(named), "{code:?}: {hint}"),
            other => panic!("{code:?}: {other:?}"),
        }
    }
    assert_eq!(verdict(Code::Fenced, &NAMES), Verdict::Fenced);
    let source = KafkaError::ClientCreation("no such property".to_owned());
    let error = OutError::Kafka { operation: "create a producer", source };
    assert!(matches!(error.verdict(&NAMES), Verdict::Stop(_)));
    assert_eq!(error.to_string(), "create a producer: Client creation error: no such property");
}

#[test]
fn each_partition_has_its_offset_and_its_transactional_id() {
    let progress = |place| Progress { group: "g".to_owned(), source: "in".to_owned(), place };
    let slot = |group: &str, topic: &str, partition| Slot {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
    };
    let same = progress(Place::SameCluster);
    assert_eq!(same.slot(Partition(3)), slot("g", "in", 3));
    assert_eq!(same.transactional_id(Partition(3)), "g/in/3");
    let other = progress(Place::Elsewhere { rows: "out".to_owned() });
    assert_eq!(other.slot(Partition(3)), slot("g/in/3", "out", 0));
    assert_eq!(other.transactional_id(Partition(3)), "g/in/3");
    assert!(other.setting().contains("--delete --group g/in/<partition>"));
}
