//! The in-sync set as its leader knows it: what the controller has accepted, what is proposed, and what the high watermark
//! must wait for meanwhile (KIP-497; `kafka.cluster.PartitionState`).

use crate::cluster::units::Replicas;

/// The in-sync set of a partition, at its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isr {
    committed: Replicas,
    pending: Option<Proposal>,
    proposals: u32,
}

/// A change that the controller has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Names it among all proposals of this leadership.
    pub number: u32,
    /// The set that should be.
    pub isr: Replicas,
    /// Whether it adds a replica; otherwise it takes some away.
    pub expands: bool,
}

impl Isr {
    /// As the controller has decided it.
    pub fn committed_as(isr: Replicas) -> Isr {
        Isr { committed: isr, pending: None, proposals: 0 }
    }

    /// The set the controller is known to have accepted: what the gate before an append looks at.
    #[inline]
    pub fn committed(&self) -> &Replicas {
        &self.committed
    }

    /// The set the high watermark waits for: with a replica about to join already in it, and one about to go still in it.
    /// So a shrink never hurries the high watermark before the controller has it, and an expansion slows it at once.
    #[inline]
    pub fn maximal(&self) -> &Replicas {
        match &self.pending {
            Some(proposal) if proposal.expands => &proposal.isr,
            Some(_) | None => &self.committed,
        }
    }

    /// What is proposed and unanswered. While something is, nothing else can be.
    #[inline]
    pub fn pending(&self) -> Option<&Proposal> {
        self.pending.as_ref()
    }

    /// Proposes another set.
    pub fn propose(&mut self, isr: Replicas, expands: bool) -> Proposal {
        assert!(self.pending.is_none(), "one proposal at a time");
        self.proposals += 1;
        let proposal = Proposal { number: self.proposals, isr, expands };
        self.pending = Some(proposal);
        proposal
    }

    /// The controller's word, by answer or by metadata: nothing is pending any more.
    pub fn commit(&mut self, isr: Replicas) {
        self.committed = isr;
        self.pending = None;
    }

    /// The proposal was refused and certainly not applied: back to what was committed.
    pub fn revert(&mut self) {
        self.pending = None;
    }

    /// Whether this very proposal is the pending one.
    pub fn awaits(&self, number: u32) -> bool {
        self.pending.is_some_and(|proposal| proposal.number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::units::NodeId;

    fn set(ids: &[u16]) -> Replicas {
        Replicas::of(ids.iter().copied().map(NodeId))
    }

    #[test]
    fn the_maximal_set_is_the_larger_of_the_two() {
        let mut isr = Isr::committed_as(set(&[1, 2]));
        let expansion = isr.propose(set(&[1, 2, 3]), true);
        assert_eq!((*isr.committed(), *isr.maximal()), (set(&[1, 2]), set(&[1, 2, 3])));
        assert!(isr.awaits(expansion.number));
        isr.revert();
        isr.propose(set(&[1]), false);
        assert_eq!(*isr.maximal(), set(&[1, 2]));
        assert!(!isr.awaits(expansion.number), "the answer to an old proposal is not this one's");
        isr.commit(set(&[1]));
        assert_eq!(*isr.maximal(), set(&[1]));
    }
}
