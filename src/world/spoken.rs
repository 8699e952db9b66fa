//! What each kind of node says in its own words, in the world's.

use super::due::{AnyFile, AnyTimer};
use super::happened::Happened;
use crate::clients::consumer::ReaderPort;
use crate::clients::producer::ProducerPort;
use crate::cluster::broker::BrokerPort;
use crate::cluster::controller::ControllerPort;
use crate::cluster::protocol::Message;
use crate::cluster::store::Store;
use crate::devices::port::{ConnectionId, Event, Peer, Port};
use crate::kernel::units::NodeId;

/// What a process is told, whichever kind it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Start,
    Connected(Peer),
    Disconnected(Peer),
    Response(Peer, Message),
    Request(ConnectionId, NodeId, Message),
    Timer(AnyTimer),
    Flushed(AnyFile, u32),
    Stop,
    FlushFailed(AnyFile, u32),
}

/// A vocabulary the world speaks: how its words become the world's, and back.
pub(super) trait Spoken: Port<Message = Message, Store = Store> {
    fn timer(timer: Self::Timer) -> AnyTimer;
    fn own_timer(timer: AnyTimer) -> Option<Self::Timer>;
    fn file(file: Self::File) -> AnyFile;
    fn own_file(file: AnyFile) -> Option<Self::File>;
    fn note(note: Self::Note) -> Happened;

    /// What a node of this kind is told.
    #[inline(always)]
    fn event(told: Told) -> Event<Self>
    where
        Self: Sized,
    {
        match told {
            Told::Start => Event::Start,
            Told::Connected(peer) => Event::Connected(peer),
            Told::Disconnected(peer) => Event::Disconnected(peer),
            Told::Response(peer, message) => Event::Response(peer, message),
            Told::Request(connection, from, message) => Event::Request(connection, from, message),
            Told::Stop => Event::Stop,
            Told::Timer(timer) => Event::Timer(Self::own_timer(timer).expect("an alarm the node set itself")),
            Told::Flushed(file, token) => {
                Event::Flushed(Self::own_file(file).expect("a file the node named itself"), token)
            }
            Told::FlushFailed(file, token) => {
                Event::FlushFailed(Self::own_file(file).expect("a file the node named itself"), token)
            }
        }
    }
}

impl Spoken for BrokerPort {
    fn timer(timer: Self::Timer) -> AnyTimer {
        AnyTimer::Broker(timer)
    }
    fn own_timer(timer: AnyTimer) -> Option<Self::Timer> {
        if let AnyTimer::Broker(timer) = timer { Some(timer) } else { None }
    }
    fn file(file: Self::File) -> AnyFile {
        AnyFile::Broker(file)
    }
    fn own_file(file: AnyFile) -> Option<Self::File> {
        if let AnyFile::Broker(file) = file { Some(file) } else { None }
    }
    fn note(note: Self::Note) -> Happened {
        Happened::Cluster(note)
    }
}

impl Spoken for ControllerPort {
    fn timer(timer: Self::Timer) -> AnyTimer {
        AnyTimer::Controller(timer)
    }
    fn own_timer(timer: AnyTimer) -> Option<Self::Timer> {
        if let AnyTimer::Controller(timer) = timer { Some(timer) } else { None }
    }
    fn file(file: Self::File) -> AnyFile {
        AnyFile::Controller(file)
    }
    fn own_file(file: AnyFile) -> Option<Self::File> {
        if let AnyFile::Controller(file) = file { Some(file) } else { None }
    }
    fn note(note: Self::Note) -> Happened {
        Happened::Cluster(note)
    }
}

impl Spoken for ProducerPort {
    fn timer(timer: Self::Timer) -> AnyTimer {
        AnyTimer::Producer(timer)
    }
    fn own_timer(timer: AnyTimer) -> Option<Self::Timer> {
        if let AnyTimer::Producer(timer) = timer { Some(timer) } else { None }
    }
    fn file(file: Self::File) -> AnyFile {
        match file {}
    }
    fn own_file(_: AnyFile) -> Option<Self::File> {
        None
    }
    fn note(note: Self::Note) -> Happened {
        Happened::Client(note)
    }
}

impl Spoken for ReaderPort {
    fn timer(timer: Self::Timer) -> AnyTimer {
        AnyTimer::Reader(timer)
    }
    fn own_timer(timer: AnyTimer) -> Option<Self::Timer> {
        if let AnyTimer::Reader(timer) = timer { Some(timer) } else { None }
    }
    fn file(file: Self::File) -> AnyFile {
        match file {}
    }
    fn own_file(_: AnyFile) -> Option<Self::File> {
        None
    }
    fn note(note: Self::Note) -> Happened {
        Happened::Client(note)
    }
}
