//! Tracked connections keep their way until they are deleted, and no others are.

use std::{net::UdpSocket, thread, time::Duration};

use netwright::{
    kernel::firewall::flush_flows,
    kind::firewall::{Protocol, flows_of_drifts},
    op::{FlowMatch, SoFar},
};

use crate::{
    lab::{apply, build, forward, input, judge, observe, serve_udp},
    sandbox::{at, inside, sandbox, sh},
};

/// Sends a datagram on each request and hands the answer on.
struct Client(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<Option<String>>);

impl Client {
    fn new(netns: &'static str, bind: &'static str, to: &'static str) -> Self {
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (answer, answered) = std::sync::mpsc::channel();
        let socket = inside(netns, move || UdpSocket::bind(at(bind)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        thread::spawn(move || {
            for () in asked {
                socket.send_to(b"who?", at(to)).unwrap();
                let mut buffer = [0; 64];
                let text =
                    socket.recv_from(&mut buffer).ok().map(|(n, _)| String::from_utf8_lossy(&buffer[..n]).into());
                answer.send(text).unwrap();
            }
        });
        Self(ask, answered)
    }

    fn ask(&self) -> Option<String> {
        self.0.send(()).unwrap();
        self.1.recv().unwrap()
    }
}

fn tracked(pattern: &str) -> usize {
    let text = sh("conntrack -L 2>/dev/null; conntrack -L -f ipv6 2>/dev/null");
    text.lines().filter(|line| line.contains(pattern)).count()
}

#[test]
fn a_flow_follows_its_changed_forward_once_it_is_flushed() {
    sandbox("flows::a_flow_follows_its_changed_forward_once_it_is_flushed", || {
        build();
        for netns in ["web", "db", "out"] {
            serve_udp(netns, if netns == "out" { 5353 } else { 53 });
        }
        let mut wanted = input();
        apply(&netwright::kind::firewall::compose(&wanted));
        let v4 = Client::new("out", "0.0.0.0:4000", "203.0.113.5:5353");
        let v6 = Client::new("out", "[::]:4001", "[fd00:9::5]:5353");
        let bystander = Client::new("web", "0.0.0.0:4002", "203.0.113.1:5353");
        assert_eq!(v4.ask().as_deref(), Some("web"));
        assert_eq!(v6.ask().as_deref(), Some("web"));
        assert_eq!(bystander.ask().as_deref(), Some("out"));

        for network in ["192.168.0.", "fd00:10::"] {
            let to = format!("{network}3");
            let changed = forward(None, Protocol::Udp, (5353, 5353), &to, (53, 53));
            let place =
                wanted.forwards.iter().position(|it| it.address == changed.address && it.family() == changed.family());
            wanted.forwards[place.unwrap()] = changed;
        }
        let composed = netwright::kind::firewall::compose(&wanted);
        let flows = flows_of_drifts(&judge(&composed, &observe(&composed)).drifts, &composed.tables, &|_| Vec::new());
        assert_eq!(flows.len(), 4, "{flows:?}");
        apply(&composed);
        assert_eq!(v4.ask().as_deref(), Some("web"), "an established flow keeps its way");
        assert_eq!(v6.ask().as_deref(), Some("web"), "an established flow keeps its way");
        assert_eq!(tracked("sport=4002"), 1);
        flush_flows(&flows).unwrap();
        assert_eq!((tracked("sport=4000"), tracked("sport=4001")), (0, 0));
        assert_eq!(tracked("sport=4002"), 1, "the same port on somebody else's address is left alone");
        assert_eq!(v4.ask().as_deref(), Some("db"));
        assert_eq!(v6.ask().as_deref(), Some("db"));
    });
}

#[test]
fn a_range_of_sources_is_flushed_and_flushing_nothing_is_fine() {
    sandbox("flows::a_range_of_sources_is_flushed_and_flushing_nothing_is_fine", || {
        let any = FlowMatch {
            family: netwright::model::snapshot::Family::V4,
            protocol: None,
            destination: None,
            ports: None,
            source: Some("192.168.0.0/24".parse().unwrap()),
            so_far: SoFar::SourceIsNew,
        };
        flush_flows(&[]).unwrap();
        flush_flows(std::slice::from_ref(&any)).unwrap();
        build();
        serve_udp("out", 5353);
        apply(&netwright::kind::firewall::compose(&input()));
        let inner = Client::new("web", "0.0.0.0:4002", "203.0.113.1:5353");
        let outer = Client::new("", "0.0.0.0:4003", "203.0.113.1:5353");
        assert_eq!((inner.ask().as_deref(), outer.ask().as_deref()), (Some("out"), Some("out")));
        // It is translated: a rule that would leave it as it is does not concern it.
        flush_flows(&[FlowMatch { so_far: SoFar::SourceIsOldOr(Vec::new()), ..any.clone() }]).unwrap();
        assert_eq!(tracked("sport=4002"), 1);
        flush_flows(&[any]).unwrap();
        assert_eq!((tracked("sport=4002"), tracked("sport=4003")), (0, 1));
    });
}
