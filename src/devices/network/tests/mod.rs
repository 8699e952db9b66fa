//! A world of nothing but a network, and what is not said by a script of one connection.

mod rules;

use super::*;
use crate::devices::port::Channel;
use crate::kernel::queue::Queue;
use crate::kernel::units::Span;

const SERVER: NodeId = NodeId(1);
const CLIENT: NodeId = NodeId(2);
const OTHER: NodeId = NodeId(3);
const PEER: Peer = Peer { node: SERVER, channel: Channel(7) };
const EMPTY: Bytes = Bytes::ZERO;
/// What a slow link adds besides.
const EXTRA: Span = Span::from_milliseconds(5);

/// One thing done to the network; the client is node 2, the server node 1.
#[derive(Clone, Copy, Debug)]
enum Do {
    Connect,
    ConnectIn(u8),
    Send(u32),
    SendBytes(u32, u64),
    Close,
    /// The server answers the request it was handed, with this.
    Respond(u32),
    Skip,
    /// The server leaves the request for later, and would have the next.
    Leave,
    Hangup,
    ServerStarts,
    ServerDies,
    ClientDies,
    ServerDark,
    ServerLit,
    ClientDark,
    /// To the server.
    CutUp,
    HealUp,
    /// To the client.
    CutDown,
    HealDown,
    /// To the server, so many times the latency.
    SlowUp(u32),
    FastUp(u32),
    /// Messages with this number are kept back, whichever way they go.
    Hold(u32),
    LetGo,
}

use Do::*;

/// A world of nothing but a network: it keeps the queue and writes down, in microseconds, what nodes are told.
struct Bench {
    network: Network<u32>,
    air: Air,
    handling: Option<ConnectionId>,
    /// Requests that are to be answered later.
    left: Vec<ConnectionId>,
    told: Vec<String>,
}

struct Air {
    chance: Chance,
    queue: Queue<Pending>,
    /// For when something was scheduled last.
    last: Time,
    lost: Vec<u32>,
    kept_back: Option<u32>,
}

impl Surroundings<u32> for Air {
    fn chance(&self) -> &Chance {
        &self.chance
    }
    fn keeps_back(&self, _: NodeId, _: NodeId, message: &u32) -> bool {
        self.kept_back == Some(*message)
    }
    fn schedule(&mut self, at: Time, pending: Pending) {
        self.last = at;
        self.queue.push(at, pending);
    }
    fn lost(&mut self, message: u32) {
        self.lost.push(message);
    }
}

impl Bench {
    fn new(options: &Options) -> Bench {
        let mut network = Network::new(options, 3);
        network.process_started(SERVER);
        let air = Air {
            chance: Chance::new(1),
            queue: Queue::default(),
            last: Time::ZERO,
            lost: Vec::new(),
            kept_back: None,
        };
        Bench { network, air, handling: None, left: Vec::new(), told: Vec::new() }
    }

    fn act(&mut self, now: Time, action: Do) {
        let (network, air) = (&mut self.network, &mut self.air);
        match action {
            Connect => network.connect(now, CLIENT, PEER, 1, air),
            ConnectIn(trips) => network.connect(now, CLIENT, PEER, trips, air),
            Send(message) => network.send(now, CLIENT, PEER, message, EMPTY, air),
            SendBytes(message, bytes) => network.send(now, CLIENT, PEER, message, Bytes::new(bytes), air),
            Close => network.close(now, CLIENT, PEER, air),
            Respond(answer) => self.respond(now, Some(answer)),
            Skip => self.respond(now, None),
            Leave => {
                let id = self.handling.take().expect("a request was handed over");
                let next = network.take_next(id);
                self.left.push(id);
                self.tell(now, next);
            }
            Hangup => network.hangup(now, self.handling.take().expect("a request was handed over"), air),
            ServerStarts => network.process_started(SERVER),
            ServerDies => network.process_died(now, SERVER, air),
            ClientDies => network.process_died(now, CLIENT, air),
            ServerDark => network.machine_died(now, SERVER, air),
            ServerLit => network.machine_started(SERVER),
            ClientDark => network.machine_died(now, CLIENT, air),
            CutUp => network.cut(CLIENT, SERVER),
            HealUp => network.heal(CLIENT, SERVER),
            CutDown => network.cut(SERVER, CLIENT),
            HealDown => network.heal(SERVER, CLIENT),
            SlowUp(factor) => network.slow(CLIENT, SERVER, Slower { factor, extra: EXTRA }),
            FastUp(factor) => network.at_speed(CLIENT, SERVER, Slower { factor, extra: EXTRA }),
            Hold(message) => air.kept_back = Some(message),
            LetGo => {
                air.kept_back = None;
                network.let_go(now, air);
            }
        }
        self.write_down_lost(now);
    }

    fn respond(&mut self, now: Time, answer: Option<u32>) {
        let id = self.left.pop().or_else(|| self.handling.take()).expect("a request was handed over");
        let next = self.network.respond(now, id, answer, EMPTY, &mut self.air);
        self.write_down_lost(now);
        self.tell(now, next);
    }

    fn run_until(&mut self, last: Time) {
        while let Some((now, pending)) = self.air.queue.pop_until(last) {
            let delivery = self.network.arrive(now, pending, &mut self.air);
            self.write_down_lost(now);
            self.tell(now, delivery);
        }
    }

    fn tell(&mut self, now: Time, delivery: Delivery<u32>) {
        let what = match delivery {
            Delivery::Nothing => return,
            Delivery::Connected(hearer) => format!("connected {}", hearer.ordinal),
            Delivery::Disconnected(hearer) => format!("disconnected {}", hearer.ordinal),
            Delivery::Request { server, connection, message, .. } => {
                assert_eq!(server, SERVER);
                self.handling = Some(connection);
                format!("request {message}")
            }
            Delivery::Response(_, message) => format!("response {message}"),
        };
        self.told.push(format!("{} {what}", microseconds(now)));
    }

    fn write_down_lost(&mut self, now: Time) {
        for message in self.air.lost.drain(..) {
            self.told.push(format!("{} lost {message}", microseconds(now)));
        }
    }
}

fn microseconds(now: Time) -> u64 {
    now.nanoseconds() / 1_000
}

fn at(milliseconds: u64) -> Time {
    Time::ZERO + Span::from_milliseconds(milliseconds)
}

fn options(latency: Distribution) -> Options {
    Options { latency, loss: Ratio::ZERO, bandwidth: None, links: Vec::new() }
}

/// One millisecond each way.
fn plain() -> Options {
    options(Distribution::Constant(Span::from_milliseconds(1)))
}

/// Carries the script out (milliseconds, action), then runs for twenty simulated minutes.
fn told(options: &Options, script: &[(u64, Do)]) -> Vec<String> {
    let mut bench = Bench::new(options);
    for &(milliseconds, action) in script {
        bench.run_until(at(milliseconds));
        bench.act(at(milliseconds), action);
    }
    bench.run_until(at(1_200_000));
    assert!(bench.air.queue.is_empty(), "something goes round for ever");
    bench.told
}

#[test]
fn bandwidth_serialises_a_direction() {
    let narrow = Options { bandwidth: Some(Bytes::new(1_000_000)), ..plain() };
    let script = [(0, Connect), (5, SendBytes(1, 3_000)), (5, SendBytes(2, 2_000)), (9, Skip), (20, Skip)];
    assert_eq!(told(&narrow, &script), ["2000 connected 1", "9000 request 1", "11000 request 2"]);
}

#[test]
fn a_lost_packet_is_late_and_holds_back_those_behind_it() {
    let lossy = Options { loss: Ratio::new(1, 3), ..plain() };
    let mut bench = Bench::new(&lossy);
    bench.act(at(0), Connect);
    bench.run_until(at(100_000));
    let mut late = 0;
    let mut before = Time::ZERO;
    for message in 0..300 {
        let sent = at(200_000 + u64::from(message) * 10);
        bench.network.send(sent, CLIENT, PEER, message, EMPTY, &mut bench.air);
        let stream = bench.network.connections[0].ways[UP.index()].under_way.len();
        assert_eq!(stream, message as usize + 1, "nothing is lost for good");
        assert!(bench.air.last >= before, "in order");
        late += u32::from(bench.air.last.since(before) > Span::from_milliseconds(190));
        before = bench.air.last;
    }
    assert!(late > 0, "some are lost, and cost 200 ms or more");
}

#[test]
fn the_last_link_that_fits_counts_both_ways() {
    let link = |other, milliseconds| Link {
        one: vec![SERVER],
        other: vec![other],
        latency: Distribution::Constant(Span::from_milliseconds(milliseconds)),
    };
    for (links, connected) in [
        (vec![link(CLIENT, 10)], "20000 connected 1"),
        (vec![link(CLIENT, 10), link(CLIENT, 20)], "40000 connected 1"),
        (vec![link(CLIENT, 10), link(OTHER, 20)], "20000 connected 1"),
    ] {
        assert_eq!(told(&Options { links, ..plain() }, &[(0, Connect)]), [connected]);
    }
}

fn drawn() -> Options {
    let latency = Distribution::Uniform(Span::from_milliseconds(1), Span::from_milliseconds(10));
    Options { loss: Ratio::new(1, 10), ..options(latency) }
}

#[test]
fn draws_do_not_depend_on_other_traffic_and_order_holds() {
    let run = |with_other: bool| {
        let mut bench = Bench::new(&drawn());
        let mut arrivals = Vec::new();
        if with_other {
            bench.network.connect(at(0), OTHER, PEER, 2, &mut bench.air);
        }
        bench.act(at(1), Connect);
        bench.run_until(at(200_000));
        for message in 0..50 {
            let now = at(200_000 + u64::from(message));
            if with_other {
                bench.network.send(now, OTHER, PEER, 1_000 + message, EMPTY, &mut bench.air);
            }
            bench.network.send(now, CLIENT, PEER, message, EMPTY, &mut bench.air);
        }
        while let Some((now, pending)) = bench.air.queue.pop() {
            let mut delivery = bench.network.arrive(now, pending, &mut bench.air);
            while let Delivery::Request { connection, from, message, .. } = delivery {
                arrivals.extend((from == CLIENT).then_some((now, message)));
                delivery = bench.network.respond(now, connection, None, EMPTY, &mut bench.air);
            }
        }
        arrivals
    };
    let alone = run(false);
    assert_eq!(alone, run(true));
    assert!(alone.iter().map(|&(_, message)| message).eq(0..50), "first in, first out");
    assert!(alone.windows(2).all(|pair| pair[0].0 <= pair[1].0));
}

#[test]
fn each_connection_of_a_pair_draws_anew_and_a_reset_network_repeats_itself() {
    let mut bench = Bench::new(&drawn());
    let again: Vec<(Vec<String>, u32)> = (0..2)
        .map(|_| {
            bench.network.reset(&drawn(), 3);
            bench.network.process_started(SERVER);
            bench.told.clear();
            for milliseconds in [0, 200_000] {
                bench.act(at(milliseconds), Connect);
                bench.run_until(at(milliseconds + 190_000));
                bench.act(at(milliseconds + 190_000), Close);
            }
            (bench.told.clone(), bench.network.connections[0].generation)
        })
        .collect();
    assert_eq!(again[0], again[1]);
    let took: Vec<u64> = again[0]
        .0
        .iter()
        .map(|line| {
            line.split(' ').next().and_then(|time| time.parse::<u64>().ok()).expect("a time") % 200_000_000
        })
        .collect();
    assert_eq!(took.len(), 2);
    assert_ne!(took[0], took[1]);
}

#[test]
fn what_is_held_back_is_wanted_until_the_client_moves_on() {
    let mut bench = Bench::new(&plain());
    let first = Hearer { client: CLIENT, peer: PEER, ordinal: 1 };
    assert!(!bench.network.is_wanted(first));
    bench.act(at(0), Connect);
    bench.run_until(at(5));
    bench.act(at(5), ServerDies);
    bench.run_until(at(10));
    assert_eq!(bench.told, ["2000 connected 1", "6000 disconnected 1"]);
    assert!(bench.network.is_wanted(first), "it has ended, and the client is to be told");
    bench.act(at(10), Close);
    assert!(!bench.network.is_wanted(first));
    bench.act(at(11), Connect);
    assert!(!bench.network.is_wanted(first));
    assert!(bench.network.is_wanted(Hearer { ordinal: 2, ..first }));
}

#[test]
fn slots_serve_again_and_an_old_name_is_nobody() {
    let mut bench = Bench::new(&plain());
    bench.act(at(0), Connect);
    bench.run_until(at(5));
    bench.act(at(5), Send(1));
    bench.run_until(at(6));
    let old = bench.handling.expect("a request was handed over");
    bench.act(at(6), ServerDies);
    bench.run_until(at(10));
    bench.act(at(10), ServerStarts);
    bench.act(at(10), Connect);
    bench.run_until(at(20));
    bench.act(at(20), Send(2));
    bench.run_until(at(30));
    let new = bench.handling.expect("a request was handed over");
    assert_eq!((old.slot, new.slot), (0, 0));
    assert_ne!(old, new);
    assert_eq!(bench.network.respond(at(30), old, Some(9), EMPTY, &mut bench.air), Delivery::Nothing);
    assert_eq!(bench.air.lost, [9]);
}
