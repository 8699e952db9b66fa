//! Links. (In the making.)
use crate::kernel::distribution::Distribution;
use crate::kernel::units::{Bytes, NodeId, Ratio};

/// The links of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a message is under way, one way, where no link says otherwise.
    pub latency: Distribution,
    /// The probability that a packet is lost: seen as a retransmission delay.
    pub loss: Ratio,
    /// Bytes a second of every link; none: without limit.
    pub bandwidth: Option<Bytes>,
    /// Links with a latency of their own; the last that fits counts.
    pub links: Vec<Link>,
}

/// A latency between two sets of nodes, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// One side.
    pub one: Vec<NodeId>,
    /// The other.
    pub other: Vec<NodeId>,
    /// How long a message is under way, one way.
    pub latency: Distribution,
}
