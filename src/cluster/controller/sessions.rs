//! When brokers were last heard of (`BrokerHeartbeatTracker`).

use crate::cluster::planted::Planted;
use crate::cluster::units::BrokerEpoch;
use crate::kernel::units::{NodeId, Span, Time};

/// The sessions of brokers by (broker, broker epoch). One begins with the first heartbeat under an epoch, not with the
/// registration, and heartbeats under an epoch that is over have one too.
///
/// Departure from Kafka: of several that have expired, the one of the lowest broker and epoch is taken first; there the
/// order is that of a hash table.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    /// `broker.session.timeout.ms`.
    timeout: Span,
    /// Ascending by broker and epoch.
    contacts: Vec<Contact>,
    planted: Option<Planted>,
}

#[derive(Clone, Copy, Debug)]
struct Contact {
    of: (NodeId, BrokerEpoch),
    at: Time,
    /// The contact before, if there was one.
    former: Time,
}

impl Sessions {
    pub(super) fn new(timeout: Span, planted: Option<Planted>) -> Sessions {
        Sessions { timeout, contacts: Vec::new(), planted }
    }

    /// Notes that a broker has been heard of.
    pub(super) fn touch(&mut self, broker: NodeId, epoch: BrokerEpoch, now: Time) {
        let of = (broker, epoch);
        match self.contacts.binary_search_by_key(&of, |contact| contact.of) {
            Ok(place) => {
                let contact = &mut self.contacts[place];
                (contact.former, contact.at) = (contact.at, now);
            }
            Err(place) => self.contacts.insert(place, Contact { of, at: now, former: now }),
        }
    }

    /// Whether a broker was heard of under this epoch, and not too long ago.
    pub(super) fn is_valid(&self, broker: NodeId, epoch: BrokerEpoch, now: Time) -> bool {
        let found = self.contacts.binary_search_by_key(&(broker, epoch), |contact| contact.of);
        found.is_ok_and(|place| !self.is_expired(self.contacts[place], now))
    }

    /// Takes out one session that has expired.
    pub(super) fn remove_expired(&mut self, now: Time) -> Option<(NodeId, BrokerEpoch)> {
        let place = self.contacts.iter().position(|&contact| self.is_expired(contact, now))?;
        Some(self.contacts.remove(place).of)
    }

    /// How long until some session can have expired; none does before.
    pub(super) fn until_first_end(&self, now: Time) -> Span {
        let oldest = self.contacts.iter().map(|&contact| self.counts_from(contact)).min().unwrap_or(now);
        let end = oldest + self.timeout + Span::from_nanoseconds(1);
        if end < now { Span::from_nanoseconds(1) } else { end.since(now) }
    }

    fn is_expired(&self, contact: Contact, now: Time) -> bool {
        now.since(self.counts_from(contact)) > self.timeout
    }

    fn counts_from(&self, contact: Contact) -> Time {
        let is_planted = Planted::SessionFromFormerHeartbeat.is(self.planted);
        if is_planted { contact.former } else { contact.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_seconds(seconds)
    }

    #[test]
    fn a_session_lasts_as_long_as_its_timeout_and_is_taken_out_once() {
        let mut sessions = Sessions::new(Span::from_seconds(9), None);
        let [one, two] = [(NodeId(1), BrokerEpoch(0)), (NodeId(2), BrokerEpoch(1))];
        assert!(!sessions.is_valid(one.0, one.1, at(0)), "a broker never heard of has no session");
        sessions.touch(two.0, two.1, at(0));
        sessions.touch(one.0, one.1, at(0));
        sessions.touch(one.0, BrokerEpoch(7), at(1));
        assert!(sessions.is_valid(one.0, one.1, at(9)));
        assert_eq!(sessions.remove_expired(at(9)), None);
        assert_eq!(at(5) + sessions.until_first_end(at(5)), at(9) + Span::from_nanoseconds(1));
        assert!(!sessions.is_valid(one.0, one.1, at(10)));
        let taken = [(); 3].map(|()| sessions.remove_expired(at(10)));
        assert_eq!(taken, [Some(one), Some(two), None], "one at a time; each epoch has a session of its own");
        assert!(sessions.is_valid(one.0, BrokerEpoch(7), at(10)));
    }
}
