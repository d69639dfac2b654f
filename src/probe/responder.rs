//! Listeners of our own for the time of the checks: they answer with the name of the namespace that they stand in, so
//! that an answer proves who gave it.

mod serve;

use std::{collections::BTreeMap, io, net::IpAddr, time::Duration};

use nix::errno::Errno;
use socket2::{SockAddr, Socket};
use tokio::task::JoinSet;

use super::{netns, sockets::Transport, verdict::Seen};
use crate::{
    kind::check::{Check, Responder, Unpublished},
    model::Netns,
};

/// What a UDP probe asks. Our listeners answer nothing else: two of them could talk to each other for ever.
pub(super) const UDP_QUESTION: &[u8] = b"netwright?\n";

/// What our listeners' answers begin with.
const GREETING: &str = "netwright:";

/// Who is known to listen where a probe goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// Nobody is known: a ping, or a foreign target.
    Unknown,
    /// We do, in the namespace of that name.
    Ours {
        /// Its name.
        label: String,
    },
    /// Nobody, as the port is published elsewhere: then a reset is the network's.
    Nobody(Unpublished),
    /// The user does.
    Theirs {
        /// In the namespace of that name.
        label: String,
        /// On that port of it.
        port: u16,
        /// At these addresses of it; unspecified for all.
        at: Vec<IpAddr>,
    },
}

impl Who {
    /// Judges an answer by what it says.
    pub(super) fn judge(&self, said: &[u8], target: IpAddr, after: Duration) -> Seen {
        let name = greeted(said);
        let answered = |by: String| Seen::Answered { by, after };
        match (self, name) {
            (Self::Unknown | Self::Nobody(_), None) => answered(format!("by {target}")),
            (Self::Unknown | Self::Nobody(_), Some(name)) => answered(format!("by {name}")),
            (Self::Ours { label } | Self::Theirs { label, .. }, Some(name)) if name == label => {
                answered(format!("by {label}"))
            }
            (Self::Ours { label } | Self::Theirs { label, .. }, Some(name)) => {
                Seen::Wrong { words: format!("answered by {name}, not by {label}") }
            }
            (Self::Theirs { label, .. }, None) => answered(format!("by {label}'s own listener")),
            (Self::Ours { label }, None) => {
                let what = if said.is_empty() {
                    "something silent".into()
                } else {
                    let said = String::from_utf8_lossy(&said[..said.len().min(40)]);
                    format!("something that says {:?}", said.trim_end())
                };
                Seen::Wrong { words: format!("answered by {what}, not by {label}") }
            }
        }
    }

    /// Puts right what a refusal by the target itself means, by who listens there: where somebody does, a reset can only
    /// come from the network.
    pub(super) fn explain(&self, seen: Seen, target: IpAddr) -> Seen {
        let Seen::Refused { words, by_target: true } = seen else { return seen };
        match self {
            Self::Unknown => Seen::Refused { words, by_target: true },
            Self::Ours { .. } => Seen::Refused { words, by_target: false },
            Self::Nobody(Unpublished { label, port, instead }) => {
                let words = format!("{words} ({label} publishes port {port} {instead} alone)");
                Seen::Refused { words, by_target: false }
            }
            Self::Theirs { at, .. } if at.iter().any(|at| at.is_unspecified() || *at == target) => {
                Seen::Refused { words, by_target: false }
            }
            Self::Theirs { label, port, at } => {
                let at: Vec<String> = at.iter().map(IpAddr::to_string).collect();
                let hint = match at.as_slice() {
                    [] => format!("{label} holds port {port} but does not listen on it"),
                    at => format!("{label} has a listener of its own on port {port}, but only at {}", at.join(", ")),
                };
                Seen::Refused { words: format!("{words} ({hint})"), by_target: true }
            }
        }
    }
}

/// The name that an answer of ours gives.
fn greeted(said: &[u8]) -> Option<&str> {
    std::str::from_utf8(said).ok()?.strip_prefix(GREETING)?.strip_suffix('\n')
}

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    netns: Netns,
    transport: Transport,
    port: u16,
    v6: bool,
}

impl Place {
    /// Where one address of a check should be answered; nowhere for pings and foreign targets.
    fn of(check: &Check, target: IpAddr) -> Option<Self> {
        let Some(Responder::Namespace(answerer)) = &check.responder else { return None };
        let transport = Transport::of(check.probe)?;
        Some(Self { netns: answerer.netns.clone(), transport, port: answerer.port, v6: target.is_ipv6() })
    }
}

/// Everyone who answers some checks.
pub(super) struct Responders {
    at: BTreeMap<Place, Result<Who, String>>,
    serving: JoinSet<()>,
}

impl Responders {
    /// Listens wherever the checks want an answer and nobody listens yet; once for all checks of one place.
    pub(super) fn start(checks: &[Check]) -> Self {
        let mut responders = Self { at: BTreeMap::new(), serving: JoinSet::new() };
        for check in checks {
            let Some(Responder::Namespace(answerer)) = &check.responder else { continue };
            for place in check.targets.iter().filter_map(|target| Place::of(check, *target)) {
                if !responders.at.contains_key(&place) {
                    let who = responders.listen(&place, &answerer.label);
                    responders.at.insert(place, who);
                }
            }
        }
        responders
    }

    fn listen(&mut self, place: &Place, label: &str) -> Result<Who, String> {
        let what = format!("listening on {} port {}", place.transport.as_str(), place.port);
        let label = label.to_owned();
        match netns::inside(&place.netns, &what, || open(place))? {
            Opened::Ours(socket) => {
                let greeting = format!("{GREETING}{label}\n").into_bytes();
                let served = match place.transport {
                    Transport::Tcp => serve::tcp(socket, greeting, &mut self.serving),
                    Transport::Udp => serve::udp(socket, place.v6, greeting, &mut self.serving),
                };
                served.map_err(|error| format!("{what} in {} failed: {error}", place.netns))?;
                Ok(Who::Ours { label })
            }
            Opened::Theirs(at) => Ok(Who::Theirs { label, port: place.port, at }),
        }
    }

    /// Who should answer one address of a check.
    pub(super) fn who_answers(&self, check: &Check, target: IpAddr) -> Result<Who, String> {
        let somewhere = Place::of(check, target).and_then(|place| self.at.get(&place).cloned());
        match &check.responder {
            Some(Responder::Unpublished(unpublished)) => Ok(Who::Nobody(unpublished.clone())),
            Some(Responder::Namespace(_)) | None => somewhere.unwrap_or(Ok(Who::Unknown)),
        }
    }

    /// Stops listening; every port is free again when this returns.
    pub(super) async fn stop(mut self) {
        self.serving.shutdown().await;
    }
}

enum Opened {
    Ours(Socket),
    Theirs(Vec<IpAddr>),
}

/// Listens on all addresses of the namespace that it is called in, or finds out who does.
fn open(place: &Place) -> io::Result<Opened> {
    let socket = place.transport.socket(place.v6)?;
    let any: IpAddr = if place.v6 { IpAddr::from([0u8; 16]) } else { IpAddr::from([0u8; 4]) };
    if place.v6 {
        socket.set_only_v6(true)?;
    }
    if place.transport == Transport::Tcp {
        // Past the remains of earlier connections. Never for UDP, where it would take the datagrams of a user's server.
        socket.set_reuse_address(true)?;
    }
    let bound =
        socket.bind(&SockAddr::from(std::net::SocketAddr::new(any, place.port))).and_then(|()| match place.transport {
            Transport::Tcp => socket.listen(128),
            Transport::Udp => serve::ask_for_destinations(&socket, place.v6),
        });
    match bound {
        Ok(()) => Ok(Opened::Ours(socket)),
        Err(error) if error.raw_os_error() == Some(Errno::EADDRINUSE as i32) => {
            Ok(Opened::Theirs(listeners(place.transport, place.port)?))
        }
        Err(error) => Err(error),
    }
}

/// The addresses at which somebody listens on a port of the calling thread's namespace.
fn listeners(transport: Transport, port: u16) -> io::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for suffix in ["", "6"] {
        let table = format!("/proc/thread-self/net/{}{suffix}", transport.as_str());
        match std::fs::read_to_string(table) {
            Ok(table) => found.extend(listening(&table, transport, port)),
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Reads the kernel's table of sockets: ` 0: 0100007F:0050 00000000:0000 0A …`.
fn listening(table: &str, transport: Transport, port: u16) -> Vec<IpAddr> {
    let state = match transport {
        Transport::Tcp => "0A",
        Transport::Udp => "07",
    };
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (address, local_port) = words.next()?.split_once(':')?;
            let listens = words.nth(1)? == state && u16::from_str_radix(local_port, 16).ok()? == port;
            listens.then(|| hex_address(address)).flatten()
        })
        .collect()
}

/// An address as the kernel prints it: words of the machine's own byte order.
fn hex_address(text: &str) -> Option<IpAddr> {
    let words: Option<Vec<[u8; 4]>> = text
        .as_bytes()
        .chunks(8)
        .map(|word| Some(u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?.to_ne_bytes()))
        .collect();
    let bytes: Vec<u8> = words?.concat();
    let v4 = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    v4(&bytes).or_else(|| <[u8; 16]>::try_from(bytes.as_slice()).ok().map(IpAddr::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn ours() -> Who {
        Who::Ours { label: "db".into() }
    }

    fn theirs(at: &[&str]) -> Who {
        Who::Theirs { label: "db".into(), port: 80, at: at.iter().map(|at| at.parse().unwrap()).collect() }
    }

    fn words(who: &Who, said: &str) -> String {
        match who.judge(said.as_bytes(), TARGET, Duration::ZERO) {
            Seen::Answered { by, .. } => by,
            Seen::Wrong { words } => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_judged_by_the_name_in_it() {
        assert_eq!(words(&ours(), "netwright:db\n"), "by db");
        assert_eq!(words(&ours(), "netwright:web\n"), "answered by web, not by db");
        assert_eq!(words(&ours(), "netwright:db2\n"), "answered by db2, not by db");
        assert_eq!(words(&ours(), ""), "answered by something silent, not by db");
        assert_eq!(words(&ours(), "SSH-2.0-x\r\n"), "answered by something that says \"SSH-2.0-x\", not by db");
        assert_eq!(words(&theirs(&[]), "SSH-2.0-x\r\n"), "by db's own listener");
        assert_eq!(words(&theirs(&[]), "netwright:web\n"), "answered by web, not by db");
        assert_eq!(words(&Who::Unknown, "hello"), "by 10.0.0.2");
    }

    #[test]
    fn a_reset_means_reached_only_where_nobody_is_known_to_listen() {
        let by_target = |who: &Who| {
            let reset = Seen::Refused { words: "reset".into(), by_target: true };
            match who.explain(reset, TARGET) {
                Seen::Refused { words, by_target } => (words, by_target),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(by_target(&Who::Unknown), ("reset".into(), true));
        assert_eq!(by_target(&ours()), ("reset".into(), false));
        assert_eq!(by_target(&theirs(&["::"])), ("reset".into(), false));
        assert_eq!(by_target(&theirs(&["10.0.0.2"])), ("reset".into(), false));
        let published = Unpublished { label: "host".into(), port: 80, instead: "at 127.0.0.1".into() };
        let words = "reset (host publishes port 80 at 127.0.0.1 alone)";
        assert_eq!(by_target(&Who::Nobody(published)), (words.into(), false));
        let (words, reached) = by_target(&theirs(&["127.0.0.1"]));
        assert_eq!(words, "reset (db has a listener of its own on port 80, but only at 127.0.0.1)");
        assert!(reached);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_tables_are_read() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue\n\
                   0: 0100007F:0050 00000000:0000 0A 00000000:00000000\n\
                   1: 0200000A:0050 0100000A:9C40 01 00000000:00000000\n\
                   2: 00000000:0051 00000000:0000 0A 00000000:00000000\n";
        assert_eq!(listening(tcp, Transport::Tcp, 80), [IpAddr::from([127, 0, 0, 1])]);
        assert_eq!(listening(tcp, Transport::Tcp, 81), [IpAddr::from([0, 0, 0, 0])]);
        assert!(listening(tcp, Transport::Tcp, 82).is_empty());
        let six = "  sl  local_address\n 0: 000000FD000000000000000002000000:0035 00:0 07 x\n";
        assert_eq!(listening(six, Transport::Udp, 53), ["fd00::2".parse::<IpAddr>().unwrap()]);
        assert!(listening("garbage\n: : :\n0: zz:zz a 0A\n", Transport::Tcp, 80).is_empty());
    }
}
