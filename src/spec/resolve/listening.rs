//! Which forward listens on which port.

use std::{collections::BTreeMap, net::IpAddr};

use foldhash::HashMap;

use crate::{
    kind::firewall::{Forward, Protocol},
    model::snapshot::Family,
};

/// The ports that the forwards of one namespace listen on.
#[derive(Debug, Default)]
pub struct Listening {
    /// Ranges that share no port, by their first port. A port is the first forward's that listens on it.
    ports: HashMap<(Protocol, Family, Option<IpAddr>), BTreeMap<u16, Range>>,
}

/// A range of ports: its last one, and which of the namespace's forwards listens there.
#[derive(Debug, Clone, Copy)]
struct Range {
    last: u16,
    forward: usize,
}

impl Listening {
    /// Takes in the forward number `forward`, and tells the first one that listens on a port of it already.
    pub fn add(&mut self, forward: usize, it: &Forward) -> Option<usize> {
        let ranges = self.ports.entry((it.protocol, it.family(), it.listen)).or_default();
        let (first, last) = it.ports;
        let before = ranges.range(..first).next_back().filter(|(_, range)| first <= range.last);
        let met: Vec<(u16, Range)> =
            before.into_iter().chain(ranges.range(first..=last)).map(|(at, it)| (*at, *it)).collect();
        let mut free = Some(first);
        for (at, range) in &met {
            if let Some(from) = free.filter(|from| from < at) {
                ranges.insert(from, Range { last: at - 1, forward });
            }
            free = range.last.checked_add(1);
        }
        if let Some(from) = free.filter(|from| *from <= last) {
            ranges.insert(from, Range { last, forward });
        }
        met.iter().map(|(_, range)| range.forward).min()
    }

    /// The forward that serves a port of an address: one on that address before one on all of them.
    pub fn find(&self, protocol: Protocol, address: IpAddr, port: u16) -> Option<usize> {
        [Some(address), None].into_iter().find_map(|listen| {
            let ranges = self.ports.get(&(protocol, Family::of(address), listen))?;
            let (_, range) = ranges.range(..=port).next_back()?;
            (port <= range.last).then_some(range.forward)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, address::KindName};

    fn forward(listen: Option<&str>, ports: (u16, u16)) -> Forward {
        Forward {
            address: Address::new(KindName::PortForward, "x"),
            listen: listen.map(|it| it.parse().unwrap()),
            protocol: Protocol::Tcp,
            ports,
            to: "10.0.0.2".parse().unwrap(),
            to_ports: ports,
        }
    }

    #[test]
    fn the_first_that_listens_on_a_port_has_it() {
        let mut listening = Listening::default();
        let ranges = [(5, 10), (20, 20), (1, 30), (31, 40), (8, 8), (15, 35), (65535, 65535), (1, 65535)];
        let met = [None, None, Some(0), None, Some(0), Some(1), None, Some(0)];
        for (number, (ports, met)) in ranges.into_iter().zip(met).enumerate() {
            assert_eq!(listening.add(number, &forward(None, ports)), met, "{ports:?}");
        }
        let at = |port| listening.find(Protocol::Tcp, "10.0.0.1".parse().unwrap(), port);
        let has: Vec<_> = [1, 5, 10, 11, 20, 21, 30, 31, 41, 65535].map(at).into_iter().flatten().collect();
        assert_eq!(has, [2, 0, 0, 2, 1, 2, 2, 3, 7, 6]);
    }

    #[test]
    fn a_forward_on_an_address_comes_before_a_bare_one() {
        let mut listening = Listening::default();
        assert_eq!(listening.add(0, &forward(None, (80, 90))), None);
        assert_eq!(listening.add(1, &forward(Some("10.0.0.1"), (85, 85))), None);
        let at = |address: &str, port| listening.find(Protocol::Tcp, address.parse().unwrap(), port);
        assert_eq!([at("10.0.0.1", 85), at("10.0.0.1", 84), at("10.0.0.3", 85)], [Some(1), Some(0), Some(0)]);
        assert_eq!([at("10.0.0.1", 91), at("fd00::1", 85)], [None, None]);
        assert_eq!(listening.find(Protocol::Udp, "10.0.0.1".parse().unwrap(), 85), None);
    }
}
