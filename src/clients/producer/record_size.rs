//! How large records, batches and requests are: `DefaultRecord` and `DefaultRecordBatch`, uncompressed.
//!
//! `Departure from Kafka:` a record's whole size is taken as its value; a key of it would have its own length field, a byte
//! or two. Headers are none.

use crate::kernel::units::{Bytes, Span};

/// `DefaultRecordBatch.RECORD_BATCH_OVERHEAD`: what a batch takes beside its records.
pub(super) const BATCH_OVERHEAD: Bytes = Bytes::new(61);

/// `DefaultRecord.MAX_RECORD_OVERHEAD`.
const MAX_RECORD_OVERHEAD: u64 = 21;

/// What a Produce request takes beside its batches: header, client id, topic name.
pub(super) const REQUEST_OVERHEAD: Bytes = Bytes::new(70);

/// What each partition adds to a Produce request beside its batch.
pub(super) const PARTITION_OVERHEAD: Bytes = Bytes::new(8);

/// What a record takes in its batch, by its distance from the first one there.
#[inline]
pub(super) fn record(size: Bytes, offset_delta: u32, timestamp_delta: Span) -> Bytes {
    let milliseconds = timestamp_delta.nanoseconds() / 1_000_000;
    let attributes = 1;
    let body = attributes + varint(milliseconds) + varint(offset_delta.into()) + key_value_headers(size);
    Bytes::new(varint(body) + body)
}

/// What is asked of the buffer for a batch that begins with this record, whatever `batch.size` says
/// (`estimateSizeInBytesUpperBound`).
#[inline]
pub(super) fn upper_bound(size: Bytes) -> Bytes {
    BATCH_OVERHEAD + Bytes::new(MAX_RECORD_OVERHEAD + key_value_headers(size))
}

fn key_value_headers(size: Bytes) -> u64 {
    let (no_key, no_headers) = (1, 1);
    no_key + varint(size.get()) + size.get() + no_headers
}

/// The length of a number that is not negative, zigzag-encoded seven bits a byte.
#[inline]
fn varint(number: u64) -> u64 {
    match number {
        0..0x40 => 1,
        0x40..0x2000 => 2,
        _ => long_varint(number),
    }
}

#[cold]
fn long_varint(number: u64) -> u64 {
    let bits = 64 - (number << 1).leading_zeros();
    u64::from(bits.div_ceil(7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_kafka_writes() {
        let cases = [
            // (size, offset delta, timestamp delta in ms, bytes)
            (0, 0, 0, 7),
            (50, 0, 0, 57),
            (63, 63, 63, 71),
            (64, 0, 0, 73),
            (100, 0, 0, 109),
            (100, 64, 0, 110),
            (100, 64, 64, 111),
            (10_000, 0, 0, 10_011),
        ];
        for (size, offset_delta, ms, expected) in cases {
            let bytes = record(Bytes::new(size), offset_delta, Span::from_milliseconds(ms));
            assert_eq!(bytes.get(), expected, "{size} {offset_delta} {ms}");
        }
        assert_eq!(upper_bound(Bytes::new(100)).get(), 61 + 21 + 1 + 2 + 100 + 1);
    }
}
