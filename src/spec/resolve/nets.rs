//! Networks by their prefix, to find those around an address, or that share one, without a look at all of them.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

/// A value for each network. Host bits of keys do not count.
#[derive(Debug)]
pub struct NetMap<T> {
    nets: BTreeMap<IpNet, T>,
    /// Which prefix lengths there are: each costs a look.
    lengths: BTreeSet<u8>,
}

impl<T> Default for NetMap<T> {
    fn default() -> Self {
        Self { nets: BTreeMap::new(), lengths: BTreeSet::new() }
    }
}

impl<T> NetMap<T> {
    /// The value of a network, which is `T`'s default where it had none.
    pub fn entry(&mut self, net: &IpNet) -> &mut T
    where
        T: Default,
    {
        self.lengths.insert(net.prefix_len());
        self.nets.entry(net.trunc()).or_default()
    }

    /// Whether a network has a value.
    pub fn contains(&self, net: &IpNet) -> bool {
        self.nets.contains_key(&net.trunc())
    }

    /// The networks that hold `net` whole, the longest prefix first.
    pub fn around(&self, net: IpNet) -> impl Iterator<Item = (&IpNet, &T)> {
        let lengths = self.lengths.range(..=net.prefix_len()).rev();
        lengths.filter_map(move |length| {
            let around = IpNet::new(net.addr(), *length).ok()?;
            self.nets.get_key_value(&around.trunc())
        })
    }

    /// The networks that hold `address`, the longest prefix first.
    pub fn holding(&self, address: IpAddr) -> impl Iterator<Item = (&IpNet, &T)> {
        self.around(IpNet::from(address))
    }

    /// Whether any of the networks shares an address with `net`.
    pub fn overlaps(&self, net: &IpNet) -> bool {
        let first = IpNet::new(net.network(), 0);
        let last = IpNet::new(net.broadcast(), net.max_prefix_len());
        // In order, those that begin within `net` stand together.
        let within = match (first, last) {
            (Ok(first), Ok(last)) => self.nets.range(first..=last).next().is_some(),
            _ => false,
        };
        within || self.around(*net).next().is_some()
    }
}

impl NetMap<()> {
    /// Takes in a network.
    pub fn insert(&mut self, net: IpNet) {
        self.entry(&net);
    }
}

impl<N: Borrow<IpNet>> FromIterator<N> for NetMap<()> {
    fn from_iter<I: IntoIterator<Item = N>>(nets: I) -> Self {
        let mut map = Self::default();
        for net in nets {
            map.insert(*net.borrow());
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn map() -> NetMap<u32> {
        let nets = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.7/16", "10.1.2.0/24", "::/0", "fd00::/64"].map(net);
        let mut map = NetMap::default();
        for (net, value) in nets.iter().zip(0..) {
            *map.entry(net) = value;
        }
        map
    }

    #[test]
    fn those_around_come_by_the_length_of_their_prefix() {
        let map = map();
        let holding = |text: &str| map.holding(text.parse().unwrap()).map(|(_, it)| *it).collect::<Vec<_>>();
        assert_eq!(holding("10.1.2.3"), [3, 2, 1, 0]);
        assert_eq!(holding("10.2.2.3"), [1, 0]);
        assert_eq!(holding("fd00::1"), [5, 4]);
        assert_eq!(map.around(net("10.1.0.0/16")).map(|(_, it)| *it).collect::<Vec<_>>(), [2, 1, 0]);
    }

    #[test]
    fn an_overlap_is_found_from_either_side() {
        let nets = [net("10.1.0.0/16"), net("10.9.9.9/32"), net("fd00::/64")];
        let map: NetMap<()> = nets.iter().collect();
        for (other, expected) in [
            ("10.0.0.0/8", true),
            ("10.1.2.0/24", true),
            ("10.1.0.0/16", true),
            ("10.9.9.0/24", true),
            ("10.2.0.0/16", false),
            ("10.0.255.255/32", false),
            ("10.9.9.8/32", false),
            ("fd00::1/128", true),
            ("fd00:0:0:1::/64", false),
            ("::/0", true),
            ("0.0.0.0/0", true),
            ("11.0.0.0/8", false),
        ] {
            assert_eq!(map.overlaps(&net(other)), expected, "{other}");
        }
    }
}
