//! What stands in the way on this host: names that are taken, things that are missing, networks that overlap. What is
//! foreign is never changed, so each of these is for the user to decide.

use foldhash::{HashMap, HashSet};

use super::{Finding, Inputs, PREFIX_CHANGED, holder, listeners, overlap, place_name, sysctls};
use crate::{
    kind::{Topology, bridge, host::HostSettings, sysctl},
    model::{
        Address, Diagnostic, Mark, Netns, Snapshot, TopologyName,
        snapshot::{LinkState, NetnsState},
    },
    observe::{Observed, Ours},
};

/// Protocol number of routes from router advertisements.
const PROTOCOL_RA: u8 = 9;

/// Everything that a plan of these inputs runs into.
pub fn find(inputs: &Inputs<'_>, topology: Option<&Topology>, observed: &Observed) -> Vec<Finding> {
    let mut found = Vec::new();
    let (name, snapshot, replace) = (inputs.name, inputs.snapshot, &inputs.choices.replace);
    let scene = Scene { name, snapshot, observed, ours: observed.ours(name), replace };
    if let Some(topology) = topology {
        found.extend(scene.prefix(topology));
        found.extend(scene.namespaces(topology));
        found.extend(scene.devices(topology));
        found.extend(scene.external_bridges(topology));
        found.extend(scene.ports(topology));
        found.extend(sysctls::find(topology, inputs.snapshot));
        found.extend(overlap::find(inputs.name, topology, inputs.snapshot, observed));
        found.extend(listeners::find(topology, inputs.snapshot, observed));
        found.extend(scene.router_advertisement(topology));
    }
    found.extend(scene.foreign_ports(topology));
    found.extend(scene.other_names(topology));
    found.extend(scene.forwarding_stays(topology));
    if topology.is_none() && inputs.memo.addresses.is_empty() {
        found.extend(scene.forgotten_host());
    }
    found.iter().map(Finding::from).collect()
}

struct Scene<'a> {
    name: &'a TopologyName,
    snapshot: &'a Snapshot,
    observed: &'a Observed,
    ours: Ours<'a>,
    replace: &'a [Address],
}

impl Scene<'_> {
    fn host(&self) -> Option<&NetnsState> {
        self.snapshot.namespaces.get(&Netns::Host)
    }

    fn prefix(&self, topology: &Topology) -> Option<Diagnostic> {
        let wanted: HashMap<&str, _> = topology.namespaces.iter().map(|it| (&*it.label, it)).collect();
        self.observed.namespaces.iter().find_map(|seen| {
            wanted.get(&*seen.label).filter(|it| it.netns != seen.netns)?;
            let old = seen.netns.as_str().strip_suffix(&*seen.label)?;
            let quoted = |prefix: &str| if prefix.is_empty() { "none".to_owned() } else { format!("`{prefix}`") };
            let (old, new) = (quoted(old), quoted(&topology.prefix));
            let what = format!("the prefix changes from {old} to {new}: everything is made anew");
            Some(Diagnostic::warning(PREFIX_CHANGED, what))
        })
    }

    fn namespaces(&self, topology: &Topology) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let stale: HashSet<&str> = self.snapshot.stale_netns.iter().map(String::as_str).collect();
        for namespace in &topology.namespaces {
            let name = namespace.netns.as_str();
            if stale.contains(name) {
                let what = format!("the namespace name `{name}` is taken by a stale file");
                found.push(Diagnostic::error("conflict::stale_netns", what).help(format!(
                    "/run/netns/{name} is no namespace (a crash or a reboot left it); remove it with: ip netns del {name}"
                )));
            }
            if let Some(other) = self.snapshot.aliases.get(name) {
                let what = format!("the namespace name `{name}` is taken: it is another name of {}", place_name(other));
                found.push(Diagnostic::error("conflict::name_taken", what).help(format!(
                    "somebody gave it that name (`ip netns attach`); remove it with: ip netns delete {name}"
                )));
            }
            let Some(state) = self.snapshot.namespaces.get(&namespace.netns) else { continue };
            if !state.is_of(self.name) {
                let what = format!("the namespace `{name}` is there already; {}", holder::of_mark(state.mark()));
                let help = "rename yours, give the topology a `prefix`, or remove the other one first";
                found.push(Diagnostic::error("conflict::name_taken", what).help(help));
            }
        }
        found
    }

    /// Devices that are to come where one of that name is that is not ours.
    fn devices(&self, topology: &Topology) -> Vec<Diagnostic> {
        let bridges = topology.bridges.iter().filter(|it| !it.external).map(|it| (&it.netns, &it.device));
        let ends = topology.links.iter().flat_map(|link| &link.ends).map(|end| (&end.netns, &end.device));
        let altnames = self.altnames();
        let mut found = Vec::new();
        for (netns, device) in bridges.chain(ends) {
            let Some(state) = self.snapshot.namespaces.get(netns) else { continue };
            found.extend(altnames.get(&(netns, &**device)).map(|it| altname(netns, device, it)));
            found.extend(self.set_aside(state, device).map(|mark| kept_aside(netns, device, &mark)));
            let Some(link) = state.link(device) else { continue };
            let ours = self.ours.is_found(netns, device);
            let netns_taken = self.snapshot.namespaces.get(netns).and_then(NetnsState::mark);
            let in_foreign = *netns != Netns::Host && netns_taken.is_none_or(|mark| mark.topology != *self.name);
            if !ours && !in_foreign {
                found.push(taken(netns, device, link));
            }
        }
        found
    }

    /// Devices by what they are called beside their names.
    fn altnames(&self) -> HashMap<(&Netns, &str), &LinkState> {
        let links =
            self.snapshot.namespaces.iter().flat_map(|(netns, state)| state.links.iter().map(move |it| (netns, it)));
        links.flat_map(|(netns, link)| link.altnames.iter().map(move |name| ((netns, &**name), link))).collect()
    }

    /// What a run of another topology has set aside keeps its name until that run, or the next one, is over.
    fn set_aside(&self, state: &NetnsState, device: &str) -> Option<Mark> {
        let mut marks = state.parked.iter().filter(|link| link.name == device).filter_map(LinkState::mark);
        marks.find(|mark| mark.topology != *self.name)
    }

    fn external_bridges(&self, topology: &Topology) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for bridge in topology.bridges.iter().filter(|it| it.external) {
            let state = self.snapshot.namespaces.get(&bridge.netns);
            match state.and_then(|state| state.link(&bridge.device)) {
                Some(link) if link.kind.as_deref() == Some(bridge::KIND) => {}
                Some(link) => {
                    let kind = link.kind.as_deref().unwrap_or("physical");
                    let what = format!("the external bridge `{}` is a {kind} device, not a bridge", bridge.device);
                    let help = "write the name of a bridge, or plug that device into one of yours by its `ports`";
                    found.push(Diagnostic::error("conflict::not_a_bridge", what).help(help));
                }
                None => {
                    let what = format!("the external bridge `{}` is not there", bridge.device);
                    let help = "whoever owns it must make it first (for docker0: start the Docker engine)";
                    found.push(Diagnostic::error("conflict::no_bridge", what).help(help));
                }
            }
        }
        found
    }

    /// NICs that are to become ports: they must be there and not be somebody's already.
    fn ports(&self, topology: &Topology) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for bridge in &topology.bridges {
            let Some(state) = self.snapshot.namespaces.get(&bridge.netns) else { continue };
            for port in &bridge.ports {
                let Some(link) = state.link(port) else {
                    let what = format!("the port `{port}` of the bridge `{}` is not there", bridge.label);
                    let help = "`ports` are existing devices of the bridge's namespace";
                    found.push(Diagnostic::error("conflict::no_port", what).help(help));
                    continue;
                };
                let record = self.snapshot.borrowed.get(&format!("master:{port}"));
                let other = record.and_then(|it| it.users.iter().find(|user| *user != self.name));
                if let Some(other) = other.cloned().or_else(|| link.mark().map(|mark| mark.topology)) {
                    let what =
                        format!("the port `{port}` of the bridge `{}` is the topology `{other}`'s", bridge.label);
                    found.push(Diagnostic::error("conflict::port_taken", what).help("one NIC is a port of one bridge"));
                }
            }
        }
        found
    }

    fn router_advertisement(&self, topology: &Topology) -> Option<Diagnostic> {
        let host = self.host()?;
        topology.host.as_ref()?.sysctls.get(sysctl::FORWARD_V6)?;
        let off = host.sysctls.get(sysctl::FORWARD_V6).is_some_and(|value| value.as_deref() == Some("0"));
        let by_ra = |route: &&crate::model::snapshot::RouteState| {
            route.protocol == PROTOCOL_RA && route.to.prefix_len() == 0 && route.to.addr().is_ipv6()
        };
        let route = host.routes.iter().filter(|_| off).find(by_ra)?;
        let device = route.nexthops.iter().find_map(|hop| host.link_at(hop.link?)).map_or("?", |link| &link.name);
        let what = format!("turning IPv6 forwarding on makes the host lose its default route by `{device}`");
        let help = format!("it came by a router's advertisement; set net.ipv6.conf.{device}.accept_ra to 2 first");
        Some(Diagnostic::warning("host::ra_route", what).help(help))
    }

    /// What was borrowed and is not given back, since a program has come to rely on it. Told once, at the end.
    fn forwarding_stays(&self, topology: Option<&Topology>) -> Vec<Diagnostic> {
        let (None, Some(host), Some(seen)) = (topology, self.host(), &self.observed.host) else { return Vec::new() };
        let warning = |(path, device): (&str, &str)| {
            let key = sysctl::key_of_path(path);
            let who = host.link(device).and_then(holder::of_device).map(|holder| format!(", {}", holder.who));
            let who = who.unwrap_or_default();
            let what =
                format!("`{key}` of the host stays on: `{device}`{who}, came after `{}` and relies on it", self.name);
            let help = format!(
                "it was off before; where nothing behind `{device}` needs it, turn it off with: sysctl -w {key}=0"
            );
            Diagnostic::warning("host::forwarding_stays", what).help(help)
        };
        seen.stays(self.name, &HostSettings::default()).into_iter().map(warning).collect()
    }

    /// With the record of what was borrowed lost, nobody knows what the host's forwarding was before.
    fn forgotten_host(&self) -> Option<Diagnostic> {
        let filter = self.observed.filters.iter().find(|filter| filter.netns == Netns::Host)?;
        let recorded =
            self.snapshot.borrowed.keys().any(|key| [sysctl::FORWARD_V4, sysctl::FORWARD_V6].contains(&&**key));
        let what =
            format!("what the host's forwarding was before `{}` is not remembered: it stays as it is", self.name);
        let help = "the records below /run/netwright are gone; where nothing else forwards, turn it off with: \
                    sysctl -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0";
        let has_rules = !filter.comparison.resources.is_empty();
        (has_rules && !recorded).then(|| Diagnostic::warning("host::not_remembered", what).help(help))
    }

    /// A namespace lives as long as any name of it does.
    fn other_names(&self, topology: Option<&Topology>) -> Vec<Diagnostic> {
        let stays: HashSet<&Netns> = topology.iter().flat_map(|it| &it.namespaces).map(|it| &it.netns).collect();
        let going: HashSet<&Netns> =
            self.observed.namespaces.iter().map(|seen| &seen.netns).filter(|netns| !stays.contains(netns)).collect();
        let names = self.snapshot.aliases.iter().filter(|(_, netns)| going.contains(netns));
        let names = names.map(|(name, netns)| (name, place_name(netns)));
        let error = |(name, netns): (&String, String)| {
            let what = format!("{netns} has another name, `{name}`, which keeps it alive");
            let help =
                format!("somebody gave it that name (`ip netns attach`); remove it with: ip netns delete {name}");
            Diagnostic::error("conflict::other_name", what).help(help)
        };
        names.map(error).collect()
    }

    /// A bridge of ours that holds somebody else's ports is not deleted.
    fn foreign_ports(&self, topology: Option<&Topology>) -> Vec<Diagnostic> {
        let stays = |seen: &bridge::Bridge| {
            let is_it =
                |b: &bridge::Bridge| b.netns == seen.netns && (b.device == seen.device || b.label == seen.label);
            let stays = |b: &bridge::Bridge| is_it(b) && !self.replace.contains(&b.address());
            topology.is_some_and(|it| it.bridges.iter().any(stays))
        };
        let mut found = Vec::new();
        for bridge in self.observed.bridges.iter().filter(|it| !stays(it)) {
            let Some(state) = self.snapshot.namespaces.get(&bridge.netns) else { continue };
            let Some(link) = state.link(&bridge.device) else { continue };
            let foreign = |port: &&LinkState| {
                port.master == Some(link.index)
                    && !port.is_of(self.name)
                    && !bridge.ports.contains(&port.name)
                    && !self.ours.is_found(&bridge.netns, &port.name)
            };
            let names: Vec<&str> = state.links.iter().filter(foreign).map(|port| &*port.name).collect();
            if !names.is_empty() {
                let what =
                    format!("the bridge `{}` holds ports that are not ours: {}", bridge.device, names.join(", "));
                let help = "it is not deleted while they are in it; take them out first (ip link set NAME nomaster)";
                found.push(Diagnostic::error("conflict::foreign_ports", what).help(help));
            }
        }
        found
    }
}

fn taken(netns: &Netns, device: &str, link: &LinkState) -> Diagnostic {
    let what = format!("the interface name `{device}` in `{netns}` is taken; {}", holder::of_mark(link.mark()));
    let help = "choose another name with `interface`, give the topology a `prefix`, or remove the other one first";
    Diagnostic::error("conflict::name_taken", what).help(help)
}

fn kept_aside(netns: &Netns, device: &str, mark: &Mark) -> Diagnostic {
    let what = format!(
        "the interface name `{device}` in `{netns}` is taken: a run of the topology `{}` has set its {} aside",
        mark.topology, mark.address
    );
    let help = format!(
        "it goes when that run is over; where it was killed, with the next one: netwright destroy {}, or apply its file",
        mark.topology
    );
    Diagnostic::error("conflict::name_taken", what).help(help)
}

/// Other names of a device are in the way as its first one is.
fn altname(netns: &Netns, device: &str, link: &LinkState) -> Diagnostic {
    let what = format!("the interface name `{device}` in `{netns}` is taken; it is another name of `{}`", link.name);
    let help = format!(
        "choose another name with `interface`, or take it from that device: ip link property del dev {} altname {device}",
        link.name
    );
    Diagnostic::error("conflict::name_taken", what).help(help)
}
