//! What must hold over the cluster after everything that happens, one promise a file.
//!
//! An invariant keeps its own shadow of what it needs, changed by what it is told, and looks at no more of a log than has
//! changed. It never knows why something happened: whether Kafka had promised otherwise it asks the budget.

pub mod committed_reads_stay;
pub mod high_watermark_never_retreats;
pub mod isr_superset;
pub mod leader_completeness;
pub mod log_matching;
pub mod one_leader_per_epoch;
pub mod recoverable_disk;
