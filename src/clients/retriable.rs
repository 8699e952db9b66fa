//! What a Java client makes of an error code: the exception classes behind `Errors`.

use crate::cluster::protocol::ErrorCode;

/// What may be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `ApiException`: nothing.
    Fatal,
    /// `RetriableException`: try again.
    Retriable,
    /// `InvalidMetadataException`, which is retriable: ask who leads, and try again.
    InvalidMetadata,
}

/// The class of an error. `NONE` has none: it is not to be asked for.
pub(super) fn class(error: ErrorCode) -> Class {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::LeaderNotAvailable
        | ErrorCode::NotLeaderOrFollower
        | ErrorCode::NetworkException
        | ErrorCode::KafkaStorageError
        | ErrorCode::FencedLeaderEpoch => Class::InvalidMetadata,
        ErrorCode::CorruptMessage
        | ErrorCode::RequestTimedOut
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::NotController
        | ErrorCode::UnknownLeaderEpoch
        | ErrorCode::OffsetNotAvailable => Class::Retriable,
        ErrorCode::OffsetOutOfRange
        | ErrorCode::MessageTooLarge
        | ErrorCode::RecordListTooLarge
        | ErrorCode::InvalidRequiredAcks
        | ErrorCode::InvalidRequest
        | ErrorCode::OutOfOrderSequenceNumber
        | ErrorCode::DuplicateSequenceNumber
        | ErrorCode::InvalidProducerEpoch
        | ErrorCode::UnknownProducerId
        | ErrorCode::StaleBrokerEpoch
        | ErrorCode::DuplicateBrokerRegistration
        | ErrorCode::BrokerIdNotRegistered
        | ErrorCode::InvalidUpdateVersion
        | ErrorCode::IneligibleReplica
        | ErrorCode::NewLeaderElected
        | ErrorCode::OperationNotAttempted
        | ErrorCode::UnknownServerError
        | ErrorCode::InvalidTimestamp => Class::Fatal,
        ErrorCode::None => unreachable!("success is not an error to be classed"),
    }
}
