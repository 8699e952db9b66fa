//! The rules of one connection, each as a script and what is told.

use super::Do::{self, *};
use super::{plain, told};

/// What it shows, the script in milliseconds, what is told in microseconds.
type Case = (&'static str, &'static [(u64, Do)], &'static [&'static str]);

#[test]
fn each_rule_holds() {
    let cases: &[Case] = &[
        ("opening takes its round trips", &[(0, ConnectIn(2))], &["4000 connected 1"]),
        (
            "beyond TCP's round trip a process must answer",
            &[(0, ConnectIn(2)), (2, ServerDark), (50, Close)],
            &[],
        ),
        (
            "request and answer",
            &[(0, Connect), (5, Send(1)), (6, Respond(2))],
            &["2000 connected 1", "6000 request 1", "7000 response 2"],
        ),
        (
            "one request at a time, in order; the next at the instant of the answer",
            &[
                (0, Connect),
                (5, Send(1)),
                (5, Send(2)),
                (5, Send(3)),
                (9, Respond(10)),
                (10, Skip),
                (12, Respond(30)),
            ],
            &[
                "2000 connected 1",
                "6000 request 1",
                "9000 request 2",
                "10000 response 10",
                "10000 request 3",
                "13000 response 30",
            ],
        ),
        (
            "what is left for later lets the next come, and is answered before it",
            &[
                (0, Connect),
                (5, Send(1)),
                (5, Send(2)),
                (7, Leave),
                (8, Leave),
                (9, Send(3)),
                (11, Respond(10)),
                (11, Send(4)),
                (14, Respond(20)),
                (15, Respond(30)),
            ],
            &[
                "2000 connected 1",
                "6000 request 1",
                "7000 request 2",
                "10000 request 3",
                "12000 response 10",
                "15000 response 20",
                "15000 request 4",
                "16000 response 30",
            ],
        ),
        (
            "a slow way, for what is sent meanwhile; the way back is as ever",
            &[
                (0, Connect),
                (5, SlowUp(3)),
                (5, SlowUp(2)),
                (5, Send(1)),
                (6, FastUp(3)),
                (30, Respond(2)),
                (40, Send(3)),
                (60, FastUp(2)),
                (60, Respond(4)),
                (70, Send(5)),
            ],
            &[
                "2000 connected 1",
                "26000 request 1",
                "31000 response 2",
                "47000 request 3",
                "61000 response 4",
                "71000 request 5",
            ],
        ),
        (
            "a request kept back keeps back those behind it, not what is ahead or comes back",
            &[
                (0, Connect),
                (5, Hold(2)),
                (5, Send(1)),
                (5, Send(2)),
                (5, Send(3)),
                (9, Respond(10)),
                (20, LetGo),
                (25, Respond(20)),
            ],
            &[
                "2000 connected 1",
                "6000 request 1",
                "10000 response 10",
                "20000 request 2",
                "25000 request 3",
                "26000 response 20",
            ],
        ),
        (
            "an answer kept back keeps back the end behind it",
            &[(0, Connect), (5, Hold(2)), (5, Send(1)), (7, Respond(2)), (9, ServerDies), (50, LetGo)],
            &["2000 connected 1", "6000 request 1", "50000 response 2", "50000 disconnected 1"],
        ),
        (
            "a request kept back is handled though its client is gone",
            &[(0, Connect), (5, Hold(1)), (5, Send(1)), (20, Close), (50, LetGo)],
            &["2000 connected 1", "50000 request 1"],
        ),
        (
            "what a cut held up may be kept back when it comes through, and no kernel sends it again",
            &[(0, Connect), (4, CutUp), (5, Hold(1)), (5, Send(1)), (100, HealUp), (2_000, LetGo)],
            &["2000 connected 1", "2000000 request 1"],
        ),
        ("no process: refused", &[(0, ServerDies), (1, Connect)], &["3000 disconnected 1"]),
        (
            "no power: silence, then the kernel gives up",
            &[(0, ServerDark), (1, Connect)],
            &["131002000 disconnected 1"],
        ),
        (
            "opening is tried again after 1, 2, 3, 4, 5, 7 s",
            &[(0, CutUp), (1, Connect), (3_500, HealUp)],
            &["4003000 connected 1"],
        ),
        (
            "the answer to opening is cut",
            &[(0, CutDown), (1, Connect), (2_500, HealDown)],
            &["3003000 connected 1"],
        ),
        (
            "a refusal is cut",
            &[(0, ServerDies), (0, CutDown), (1, Connect), (500, HealDown)],
            &["1003000 disconnected 1"],
        ),
        ("closed while opening: silence", &[(0, Connect), (1, Close)], &[]),
        (
            "closed: what is on the wire arrives and what has arrived is handled; answers are lost",
            &[(0, Connect), (5, Send(1)), (6, Send(2)), (6, Close), (50, Respond(10)), (60, Respond(20))],
            &["2000 connected 1", "6000 request 1", "50000 lost 10", "50000 request 2", "60000 lost 20"],
        ),
        (
            "closed: what nobody would accept is lost",
            &[(0, Connect), (10, ServerDark), (20, ServerLit), (20, Send(1)), (20, Close)],
            &["2000 connected 1", "20000 lost 1"],
        ),
        (
            "closed: what is stuck goes on when the cut is mended",
            &[(0, Connect), (5, CutUp), (5, Send(1)), (8, Close), (9, HealUp)],
            &["2000 connected 1", "206000 request 1"],
        ),
        (
            "closed: what then meets a cut goes on when that is mended",
            &[(0, Connect), (5, CutUp), (5, Send(1)), (5, Close), (9, HealUp)],
            &["2000 connected 1", "206000 request 1"],
        ),
        (
            "closed with an answer under way, and opened again",
            &[(0, Connect), (5, Send(1)), (6, Respond(2)), (6, Close), (6, Connect)],
            &["2000 connected 1", "6000 request 1", "6000 lost 2", "8000 connected 2"],
        ),
        (
            "a process dies: told after one latency, behind the answers; waiting requests are lost",
            &[
                (0, Connect),
                (5, Send(1)),
                (5, Send(2)),
                (5, Send(3)),
                (7, Respond(10)),
                (7, ServerDies),
                (8, Send(4)),
            ],
            &[
                "2000 connected 1",
                "6000 request 1",
                "7000 request 2",
                "7000 lost 3",
                "8000 response 10",
                "8000 disconnected 1",
                "8000 lost 4",
            ],
        ),
        (
            "what is on the wire to a dead process is lost",
            &[(0, Connect), (5, Send(1)), (5, ServerDies)],
            &["2000 connected 1", "6000 lost 1", "6000 disconnected 1"],
        ),
        (
            "the client's process dies: what arrives is handled",
            &[(0, Connect), (5, Send(1)), (5, ClientDies), (9, Respond(2))],
            &["2000 connected 1", "6000 request 1", "9000 lost 2"],
        ),
        (
            "the client's machine dies: what is stuck dies with it",
            &[(0, Connect), (5, CutUp), (5, Send(1)), (8, ClientDark), (9, HealUp)],
            &["2000 connected 1", "8000 lost 1"],
        ),
        (
            "hangup comes behind the answers, and needs none",
            &[(0, Connect), (5, Send(1)), (5, Send(2)), (6, Hangup)],
            &["2000 connected 1", "6000 request 1", "6000 lost 2", "7000 disconnected 1"],
        ),
        (
            "power loss is silent; a restarted machine refuses what is sent again",
            &[
                (0, Connect),
                (5, Send(1)),
                (10, ServerDark),
                (20, Send(2)),
                (900, ServerLit),
                (950, ServerStarts),
            ],
            &["2000 connected 1", "6000 request 1", "1422000 lost 2", "1422000 disconnected 1"],
        ),
        (
            "with nothing pending a restart is noticed by the next send",
            &[(0, Connect), (10, ServerDark), (900, ServerLit), (950, ServerStarts), (5_000, Send(1))],
            &["2000 connected 1", "5002000 lost 1", "5002000 disconnected 1"],
        ),
        (
            "a refusal of old data is cut: the next attempt provokes another",
            &[(0, Connect), (10, ServerDark), (20, ServerLit), (30, CutDown), (40, Send(1)), (100, HealDown)],
            &["2000 connected 1", "242000 lost 1", "242000 disconnected 1"],
        ),
        (
            "answers on the wire when the power goes still arrive; what is stuck does not",
            &[(0, Connect), (5, Send(1)), (6, Respond(2)), (6, ServerDark), (20, Close)],
            &["2000 connected 1", "6000 request 1", "7000 response 2"],
        ),
        (
            "answers stuck when the power goes are lost",
            &[(0, Connect), (5, Send(1)), (5, CutDown), (6, Respond(2)), (8, ServerDark), (9, HealDown)],
            &["2000 connected 1", "6000 request 1", "8000 lost 2"],
        ),
        (
            "stuck data passes at the first of 200, 600, 1400, 3000, 6200 ms after the heal, all in order",
            &[
                (0, Connect),
                (5, CutUp),
                (10, Send(1)),
                (11, Send(2)),
                (5_005, HealUp),
                (5_006, Send(3)),
                (7_000, Skip),
                (7_001, Skip),
                (7_002, Send(4)),
                (7_003, Skip),
            ],
            &[
                "2000 connected 1",
                "6211000 request 1",
                "7000000 request 2",
                "7001000 request 3",
                "7003000 request 4",
            ],
        ),
        (
            "stuck answers pass in order too",
            &[
                (0, Connect),
                (5, Send(1)),
                (5, Send(2)),
                (6, CutDown),
                (6, Respond(10)),
                (7, Respond(20)),
                (300, HealDown),
            ],
            &[
                "2000 connected 1",
                "6000 request 1",
                "6000 request 2",
                "607000 response 10",
                "607000 response 20",
            ],
        ),
        (
            "a cut back is nothing to data; it arrives once",
            &[(0, Connect), (5, CutDown), (6, Send(1)), (6, HealDown)],
            &["2000 connected 1", "7000 request 1"],
        ),
        (
            "cuts nest",
            &[(0, Connect), (5, CutUp), (5, CutUp), (6, Send(1)), (100, HealUp), (300, HealUp)],
            &["2000 connected 1", "607000 request 1"],
        ),
        (
            "a dead process's last word is sent again",
            &[(0, Connect), (5, CutDown), (6, ServerDies), (300, HealDown)],
            &["2000 connected 1", "607000 disconnected 1"],
        ),
        (
            "the client's kernel gives up after 924.6 s",
            &[(0, Connect), (5, CutUp), (9, Send(1))],
            &["2000 connected 1", "924610000 lost 1", "924610000 disconnected 1"],
        ),
        (
            "the server's kernel gives up silently; the next request is refused",
            &[
                (0, Connect),
                (5, Send(1)),
                (5, CutDown),
                (9, Respond(2)),
                (930_000, HealDown),
                (930_001, Send(3)),
            ],
            &[
                "2000 connected 1",
                "6000 request 1",
                "924610000 lost 2",
                "930003000 lost 3",
                "930003000 disconnected 1",
            ],
        ),
    ];
    for (name, script, expected) in cases {
        assert_eq!(told(&plain(), script), *expected, "{name}");
    }
}
