//! The controller's log replayed, and what a change makes of each replica (`BrokerMetadataPublisher`,
//! `ReplicaManager.applyDelta`, `Partition.makeLeader`, `Partition.makeFollower`).

use super::fetcher::follow;
use super::flush::{LogFlush, Waits};
use super::isr_changes::IsrChanges;
use super::lifecycle::Lifecycle;
use super::metadata_fetch::KnownController;
use super::publishing::Unpublished;
use super::storage::File;
use super::{Broker, BrokerPort, ISR, LIFECYCLE, Line, METADATA, Node, Running, Timer, Waiting};
use crate::cluster::happened::Happened;
use crate::cluster::line::{LineOptions, SETUP_TIMEOUT};
use crate::cluster::log::producer_state::{ProducerState, Snapshots};
use crate::cluster::metadata_image::MetadataImage;
use crate::cluster::planted::Planted;
use crate::cluster::protocol::{MetadataRecord, PartitionState, Resource};
use crate::cluster::replica::leader::Leader;
use crate::cluster::replica::{Replica, Role};
use crate::cluster::setting::{Setting, SettingNames};
use crate::cluster::units::{LeaderEpoch, MetadataOffset, Offset};
use crate::devices::port::{Channel, Effect, Outbox, Peer};
use crate::kernel::units::{NodeId, Span, Time};

/// The reconnect back-offs of the raft client (`KafkaRaftManager`) and of `NodeToControllerChannelManager`.
const RECONNECT: Span = Span::from_milliseconds(50);
const RECONNECT_METADATA_MAX: Span = Span::from_milliseconds(500);

impl Broker {
    /// A process begins with what its disk holds; it registers, and hears from the metadata log what each replica is.
    pub(super) fn on_start(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        self.start(now, out);
        let running = self.running.as_mut().expect("it has just started");
        let mut node = Node { config: &self.config, stored: &mut self.stored, running };
        node.communicate(now, out);
        node.fetch_metadata(out);
        let options = &node.config.options;
        out.set_timer(Timer::IsrExpiration, options.replica_lag_time_max / 2);
        out.set_timer(Timer::HighWatermarkCheckpoint, options.replica_high_watermark_checkpoint_interval);
        out.set_timer(Timer::ProducerIdExpiration, options.producer_id_expiration_check_interval);
        node.schedule_log_tasks(false, out);
    }

    pub(super) fn start(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        assert!(self.running.is_none(), "a process starts where none runs");
        let config = &self.config;
        // Nothing fsyncs its directory, so that a power loss soon after can bring it back: the logs are then loaded as they lie,
        // without a scan. The controller is not deceived, as the epoch in the file is not the last it gave (KIP-966).
        let previous_broker_epoch = self.stored.take_clean_shutdown();
        let clean = previous_broker_epoch.is_some();
        if clean {
            out.ask(Effect::Delete(File::CleanShutdown));
        }
        if !clean {
            self.stored.cut_rotten(out);
        }
        let high_watermarks: Vec<_> = self.stored.start(out.store).collect();
        let expiration = config.options.producer_id_expiration;
        let stored = &mut self.stored;
        let files = stored.partitions.iter().zip(&stored.logs).zip(&mut stored.snapshots);
        let replicas: Vec<Replica> = files
            .zip(high_watermarks)
            .map(|(((&partition, log), snapshots), high_watermark)| {
                let producers = ProducerState::load(log, snapshots, out.store, now, expiration);
                Replica::new(partition, config.topics[partition.0 as usize], producers, high_watermark)
            })
            .collect();
        let recovery_points: Vec<Offset> = self.stored.recovery_points(clean).collect();
        for (place, replica) in replicas.iter().enumerate().filter(|&(place, _)| self.stored.present[place]) {
            let (log, partition, high_watermark) =
                (&self.stored.logs[place], replica.partition, replica.high_watermark);
            let end = log.end();
            let scanned_from =
                if clean { end } else { log.segments()[log.segment_of(recovery_points[place])].base };
            out.note(Happened::Recovered { partition, end, high_watermark, clean, scanned_from });
        }
        let voters = config.voters;
        // Brokers that know no controller begin to ask at different voters.
        let node = voters.node(usize::from(config.id.0 - 1) % usize::from(voters.count));
        let line = |channel: Channel, timer, request_timeout, reconnect_backoff_max, setup_timeout| {
            let options = LineOptions {
                round_trips: 2,
                request_timeout,
                reconnect_backoff: RECONNECT,
                reconnect_backoff_max,
                setup_timeout,
            };
            Line::new(Peer { node, channel }, options, timer)
        };
        let metadata_timeout = config.quorum_request_timeout;
        // The raft client's time limit covers the connection; with one voter there is nobody else to turn to.
        let metadata_setup = if voters.count == 1 { SETUP_TIMEOUT } else { metadata_timeout };
        let channel_timeout = config.options.controller_socket_timeout;
        let heartbeat_timeout = channel_timeout.min(config.session_timeout / 2);
        self.running = Some(Running {
            image: MetadataImage::new(config.brokers, config.topics.len()),
            unpublished: Unpublished::default(),
            waiting: vec![Waiting::default(); replicas.len()],
            flushes: recovery_points
                .into_iter()
                .map(|recovery_point| LogFlush::loaded(now, recovery_point))
                .collect(),
            flushing: Vec::new(),
            replicas,
            lifecycle: Lifecycle::new(
                line(LIFECYCLE, Timer::LifecycleLine, heartbeat_timeout, RECONNECT, SETUP_TIMEOUT),
                previous_broker_epoch,
            ),
            metadata_line: line(
                METADATA,
                Timer::MetadataLine,
                metadata_timeout,
                RECONNECT_METADATA_MAX,
                metadata_setup,
            ),
            controller: KnownController::unknown(voters),
            isr: IsrChanges::new(line(ISR, Timer::IsrLine, channel_timeout, RECONNECT, SETUP_TIMEOUT)),
            fetchers: Vec::new(),
            parked_fetches: Vec::new(),
            parked_produces: Vec::new(),
            turns: Vec::new(),
            unflushed: 0,
            last_recovery_points: None,
            has_led_for_long: false,
            own_settings: SettingNames::NONE,
            producer_id_expiration: expiration,
        });
    }
}

impl Node<'_> {
    /// The run finds the broker registered, unfenced and up to date; its periodic tasks are at any point of their period.
    pub(super) fn begin(&mut self, now: Time, metadata: &[MetadataRecord], out: &mut Outbox<'_, BrokerPort>) {
        self.running.has_led_for_long = true;
        self.replay(now, MetadataOffset(0), metadata, out);
        self.running.has_led_for_long = false;
        self.running.controller = KnownController::first(self.config.voters);
        self.running.metadata_line.aim(self.config.voters.first);
        let registration = *self.running.image.broker(self.config.id);
        self.running.lifecycle = Lifecycle::running(self.running.lifecycle.line, registration.broker_epoch);
        out.ask(Effect::Listen);
        self.fetch_metadata(out);
        let options = &self.config.options;
        for (timer, period) in [
            (Timer::Lifecycle, options.broker_heartbeat_interval),
            (Timer::IsrExpiration, options.replica_lag_time_max / 2),
            (Timer::HighWatermarkCheckpoint, options.replica_high_watermark_checkpoint_interval),
            (Timer::ProducerIdExpiration, options.producer_id_expiration_check_interval),
        ] {
            out.ask(Effect::SetTimer(timer, Span::ZERO, period));
        }
        self.schedule_log_tasks(true, out);
    }

    /// Takes in records, then makes of each replica what the newest state says.
    pub(super) fn replay(
        &mut self,
        now: Time,
        offset: MetadataOffset,
        records: &[MetadataRecord],
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        assert_eq!(offset, self.running.image.end(), "the controller answers from where it was asked");
        for (index, record) in records.iter().enumerate() {
            self.running.image.replay(MetadataOffset(offset.0 + index as u64), record);
        }
        for record in records {
            if let MetadataRecord::Config { of, setting } = *record {
                self.put_setting(of, setting, out);
            }
            let MetadataRecord::Partition { partition, state, .. } = record else { continue };
            // Of several changes of one partition the last is applied: each has a partition epoch of its own.
            let newest = *self.running.image.partition(*partition);
            if let Some(place) =
                self.place(*partition).filter(|_| newest.partition_epoch == state.partition_epoch)
            {
                self.apply(now, place, &newest, out);
            }
        }
    }

    /// A setting is another: the replicas that it is of go by it from now on (`TopicConfigHandler`, `BrokerConfigHandler`,
    /// `DynamicLogConfig`). What waits is not looked at again for that, and periodic tasks come when they would have come.
    ///
    /// Departure from Kafka: a process that starts loads its logs by what it was started with, and hears of all that was set
    /// with the metadata; there a snapshot of the metadata has told it of what brokers are set to
    /// (`DynamicBrokerConfig.readDynamicBrokerConfigsFromSnapshot`).
    fn put_setting(&mut self, of: Resource, setting: Setting, out: &mut Outbox<'_, BrokerPort>) {
        match of {
            Resource::Topic(topic) => {
                for partition in topic.partitions() {
                    if let Some(place) = self.place(partition) {
                        setting.put(&mut self.running.replicas[place].options);
                        self.limit_segments(place);
                    }
                }
            }
            Resource::Broker(Some(broker)) => {
                if broker != self.config.id {
                    return;
                }
                self.running.own_settings = self.running.own_settings.with(setting);
                self.put_own_setting(setting);
            }
            Resource::Broker(None) if self.running.own_settings.contains(setting) => (),
            Resource::Broker(None) => self.put_own_setting(setting),
        }
        out.note(Happened::Set { of, setting });
    }

    /// This broker is set otherwise, and with it the topics that have no setting of their own.
    fn put_own_setting(&mut self, setting: Setting) {
        if let Setting::ProducerIdExpiration(span) = setting {
            self.running.producer_id_expiration = span;
        }
        for place in 0..self.running.replicas.len() {
            setting.inherit(&mut self.running.replicas[place].options);
            self.limit_segments(place);
        }
    }

    fn limit_segments(&mut self, place: usize) {
        self.stored.logs[place].set_limits(self.running.replicas[place].options.segments);
    }

    pub(super) fn apply(
        &mut self,
        now: Time,
        place: usize,
        state: &PartitionState,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let replica = &self.running.replicas[place];
        if state.partition_epoch < replica.partition_epoch {
            return;
        }
        if self.running.flushes[place].is_locked() {
            return self.running.flushes[place].change_role_later();
        }
        if !state.replicas.contains(self.config.id) {
            // Older metadata may not have the replica yet.
            if self.running.lifecycle.has_caught_up() {
                self.delete_replica(now, place, out);
            }
            return;
        }
        self.stored.present[place] = true;
        let new_epoch = replica.leader_epoch.is_none_or(|epoch| state.leader_epoch > epoch);
        if state.leader == Some(self.config.id) {
            self.make_leader(now, place, state, new_epoch, out);
        } else {
            self.make_follower(now, place, state, new_epoch, out);
        }
    }

    fn make_leader(
        &mut self,
        now: Time,
        place: usize,
        state: &PartitionState,
        new_epoch: bool,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        self.remove_from_fetchers(place);
        let log = &mut self.stored.logs[place];
        let replica = &mut self.running.replicas[place];
        if new_epoch {
            // At the beginning of the run it has led for long.
            let writes_epochs = log.begin_epoch(state.leader_epoch) && !self.running.has_led_for_long;
            let joins_at_any = Planted::JoinBeforeEpochStart.is(self.config.planted);
            let joins_from = if joins_at_any { log.start() } else { log.end() };
            match &mut replica.role {
                Role::Leader(leader) => leader.renew(state, now, joins_from),
                Role::Follower(_) | Role::Waiting => {
                    replica.role = Role::Leader(Leader::new(self.config.id, state, now, joins_from));
                }
            }
            let (partition, epoch, start) = (replica.partition, state.leader_epoch, log.end());
            let (high_watermark, isr) = (replica.high_watermark, state.isr);
            out.note(Happened::Leads { partition, epoch, start, high_watermark, isr });
            if Planted::NewLeaderCommitsItsLog.is(self.config.planted) && start > high_watermark {
                replica.high_watermark = start;
                let (old, new) = (high_watermark, start);
                out.note(Happened::HighWatermark { partition, old, new, epoch, leading: true });
            }
            if writes_epochs {
                self.write_leader_epochs(place, Waits::Leader, out);
            }
        } else {
            let leader = replica.leader_mut().expect("within one epoch a leader stays what it is");
            let (committed, maximal) = (*leader.isr.committed(), *leader.isr.maximal());
            leader.adopt(state);
            let changed = (committed, maximal) != (*leader.isr.committed(), *leader.isr.maximal());
            if changed {
                self.note_isr(place, out);
            }
        }
        let replica = &mut self.running.replicas[place];
        replica.leader_epoch = Some(state.leader_epoch);
        replica.partition_epoch = state.partition_epoch;
        self.after_isr_change(now, place, out);
    }

    fn make_follower(
        &mut self,
        now: Time,
        place: usize,
        state: &PartitionState,
        new_epoch: bool,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let replica = &mut self.running.replicas[place];
        replica.leader_epoch = Some(state.leader_epoch);
        replica.partition_epoch = state.partition_epoch;
        // During controlled shutdown a replica that has no leader, or is out of the in-sync set, is not fetched for any more.
        let stops = self.running.lifecycle.is_stopping()
            && (state.leader.is_none() || !state.isr.contains(self.config.id));
        if stops {
            self.remove_from_fetchers(place);
        }
        if !new_epoch {
            return;
        }
        if let Some(leader) = state.leader.filter(|_| !stops && self.goes_on_fetching(place)) {
            return self.begin_to_fetch(now, place, (leader, state.leader_epoch), out);
        }
        self.follow(now, place, state.leader, state.leader_epoch, out);
        if let Some(leader) = state.leader.filter(|_| !stops) {
            self.begin_to_fetch(now, place, (leader, state.leader_epoch), out);
        }
    }

    /// The replica follows this leader and no other from now on, and fetches from nobody.
    pub(super) fn follow(
        &mut self,
        now: Time,
        place: usize,
        leader: Option<NodeId>,
        epoch: LeaderEpoch,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        let replica = &mut self.running.replicas[place];
        replica.role = Role::Follower(follow(&self.stored.logs[place], leader, epoch));
        let partition = replica.partition;
        out.note(Happened::Follows { partition, epoch, leader });
        if Planted::TruncateToHighWatermark.is(self.config.planted) {
            self.truncate(now, place, self.running.replicas[place].high_watermark, out);
        }
        // Who waits here for a leader's high watermark or records waits no longer (KAFKA-2960).
        self.complete_produces(place, out);
        self.complete_fetches(now, place, out);
        self.remove_from_fetchers(place);
    }

    /// The metadata is all there: what this broker holds and should not goes (`LogManager.deleteStrayKRaftReplicas`).
    pub(super) fn delete_stray_replicas(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        for place in 0..self.running.replicas.len() {
            let state = self.running.image.partition(self.running.replicas[place].partition);
            if !state.replicas.contains(self.config.id) {
                self.delete_replica(now, place, out);
            }
        }
    }

    /// This broker holds no replica, or no longer: the log goes (`ReplicaManager.stopPartitions`).
    fn delete_replica(&mut self, now: Time, place: usize, out: &mut Outbox<'_, BrokerPort>) {
        let replica = &mut self.running.replicas[place];
        let (partition, log) = (replica.partition, &mut self.stored.logs[place]);
        if !std::mem::replace(&mut self.stored.present[place], false) {
            return;
        }
        let old = log.end();
        for segment in log.segments() {
            out.ask(Effect::Delete(File::Log(partition, segment.base)));
        }
        log.clear();
        self.stored.forget_log_start(place);
        self.stored.snapshots[place] = Snapshots::default();
        *replica = Replica::new(partition, replica.options, ProducerState::default(), Offset::ZERO);
        // An fsync under way ends without anybody being told.
        self.running.flushes[place].deleted(now);
        self.running.flushing.retain(|flushing| !flushing.is_of(place));
        out.ask(Effect::Delete(File::LeaderEpochs(partition)));
        out.note(Happened::Deleted { partition, old });
        self.complete_produces(place, out);
        self.complete_fetches(now, place, out);
        self.remove_from_fetchers(place);
    }

    /// Writes every replica's high watermark down, and comes again.
    pub(super) fn on_high_watermark_checkpoint(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        out.set_timer(
            Timer::HighWatermarkCheckpoint,
            self.config.options.replica_high_watermark_checkpoint_interval,
        );
        let all = self.running.replicas.iter().map(|replica| replica.high_watermark);
        let (bytes, token) = self.stored.write_high_watermarks(all);
        out.ask(Effect::Replace(File::HighWatermarks, bytes, token));
    }
}
