//! What an engineer changes in a lab's file, all over it at once: something of nearly every resource that is there.

use netwright::kind::Topology;

/// The lab with other MTUs, sysctls and ports, and without its last route and nat rule.
pub fn edited(lab: &Topology) -> Topology {
    let mut lab = lab.clone();
    for end in lab.links.iter_mut().flat_map(|link| &mut link.ends) {
        end.mtu = 1400;
    }
    for bridge in lab.bridges.iter_mut().filter(|bridge| !bridge.external) {
        bridge.ageing_time += 100;
        bridge.mtu = bridge.mtu.map(|_| 1400);
    }
    for namespace in &mut lab.namespaces {
        namespace.sysctls.insert("net/ipv4/ip_default_ttl".into(), "77".into());
        namespace.loopback = false;
    }
    lab.routes.pop();
    for firewall in lab.firewalls.values_mut() {
        firewall.nat.pop();
        for forward in &mut firewall.forwards {
            forward.ports.0 += 1000;
            forward.ports.1 += 1000;
        }
    }
    lab
}
