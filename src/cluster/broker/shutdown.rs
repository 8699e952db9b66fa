//! Controlled shutdown, and what is written down before the process ends (`BrokerServer.shutdown`).
//!
//! A broker that is asked to stop asks the controller, by its heartbeats, to be let go; that moves its leaderships. Then it ends
//! its connections, writes its high watermarks, fsyncs every log, writes their recovery points, and last leaves the
//! clean-shutdown file, which names its registration (KIP-966).
//!
//! Departure from Kafka: between the fsyncs the process takes no time to unwind; on a machine it takes 0.2 to 0.5 s.

use super::storage::File;
use super::{BrokerPort, Node, Timer};
use crate::devices::port::{Effect, Event, Outbox};
use crate::kernel::units::{Bytes, Span, Time};

/// How long a broker waits to be let go before it stops all the same (`KafkaBroker.shutdown`).
const PATIENCE: Span = Span::from_seconds(5 * 60);
/// Names the fsyncs of a shutdown.
const LAST: u32 = u32::MAX;

impl Node<'_> {
    /// SIGTERM. A process that does not serve yet ends as if it were killed (`BrokerServer.shutdown` does nothing before the
    /// start is complete, and the JVM ends).
    pub(super) fn on_stop(&mut self, now: Time, out: &mut Outbox<'_, BrokerPort>) {
        if self.running.lifecycle.is_stopping() {
            return;
        }
        if !self.running.lifecycle.is_running() {
            return out.ask(Effect::Exit);
        }
        self.running.lifecycle.begin_controlled_shutdown();
        out.set_timer(Timer::ControlledShutdown, PATIENCE);
        out.cancel_timer(Timer::Lifecycle);
        self.communicate(now, out);
    }

    /// Let go, or out of patience: connections end, and everything is made durable.
    pub(super) fn shut_down(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        self.write_log_starts(out);
        let running = &mut *self.running;
        running.lifecycle.shut_down(out);
        running.metadata_line.close(out);
        running.isr.line.close(out);
        running.fetchers.iter_mut().for_each(|thread| thread.line.close(out));
        out.ask(Effect::StopListening);

        let all = running.replicas.iter().map(|replica| replica.high_watermark);
        let (bytes, token) = self.stored.write_high_watermarks(all);
        out.ask(Effect::Replace(File::HighWatermarks, bytes, token));
        running.unflushed = 1;
        for (place, &partition) in self.stored.partitions.iter().enumerate() {
            if !self.stored.present[place] {
                continue;
            }
            let log = &self.stored.logs[place];
            let from = log.segment_of(running.flushes[place].recovery_point());
            for segment in &log.segments()[from..] {
                out.ask(Effect::Flush(File::Log(partition, segment.base), LAST));
                running.unflushed += 1;
            }
        }
    }

    /// Every log is flushed to its end. What is known of its producers is written down (`UnifiedLog.close`).
    fn write_last_recovery_points(&mut self, out: &mut Outbox<'_, BrokerPort>) {
        for (place, log) in
            self.stored.logs.iter().enumerate().filter(|&(place, _)| self.stored.present[place])
        {
            self.running.replicas[place].producers.take_snapshot(log, &mut self.stored.snapshots[place]);
        }
        let all = self.running.flushes.iter().zip(&self.stored.logs).zip(&self.stored.present);
        let all =
            all.map(|((flush, log), &present)| if present { log.end() } else { flush.recovery_point() });
        let all: Vec<_> = all.collect();
        let (bytes, token) = self.stored.write_recovery_points(all.into_iter());
        self.running.last_recovery_points = Some(token);
        out.ask(Effect::Replace(File::RecoveryPoints, bytes, token));
    }

    /// Once it shuts down nothing matters but its fsyncs.
    pub(super) fn on_event_in_shutdown(
        &mut self,
        event: Event<BrokerPort>,
        out: &mut Outbox<'_, BrokerPort>,
    ) {
        match event {
            Event::Flushed(File::CleanShutdown, _) => {
                self.stored.clean_shutdown = self.running.lifecycle.broker_epoch();
                out.ask(Effect::Exit);
            }
            Event::Flushed(file, token) => {
                self.stored.on_flushed(file, token);
                let counts = match file {
                    File::Log(..) => token == LAST,
                    // A checkpoint written before may still have been under way.
                    File::HighWatermarks => self.stored.are_newest_high_watermarks(token),
                    File::RecoveryPoints => {
                        if self.running.last_recovery_points == Some(token) {
                            out.ask(Effect::Replace(File::CleanShutdown, Bytes::new(40), LAST));
                        }
                        false
                    }
                    File::LeaderEpochs(_)
                    | File::LogStarts
                    | File::ProducerSnapshot(_)
                    | File::CleanShutdown => false,
                };
                if counts {
                    self.running.unflushed -= 1;
                    if self.running.unflushed == 0 {
                        self.write_last_recovery_points(out);
                    }
                }
            }
            Event::FlushFailed(_, _) => out.ask(Effect::Exit),
            Event::Start
            | Event::Stop
            | Event::Connected(_)
            | Event::Disconnected(_)
            | Event::Response(..)
            | Event::Request(..)
            | Event::Timer(_) => (),
        }
    }
}
