//! A device: gone, down, renamed, or with another MTU, hardware address, master or peer.

use super::{Found, Link, Place};

pub fn drifts(place: &Place, link: &Link, found: &mut Found) {
    match link.sort(place) {
        "loopback" => loopback(place, link, found),
        "bridge" => bridge(place, link, found),
        "port" => {
            veth(place, link, found);
            port(place, link, found);
        }
        _ => veth(place, link, found),
    }
}

fn loopback(place: &Place, link: &Link, found: &mut Found) {
    if link.up {
        found.add(place, "loopback", "down", "lo", "ip link set lo down");
    } else {
        found.add(place, "loopback", "up", "lo", "ip link set lo up").cuts();
    }
}

fn veth(place: &Place, link: &Link, found: &mut Found) {
    let (sort, name) = (link.sort(place), &*link.name);
    found.add(place, sort, "deleted", name, format!("ip link delete {name}")).cuts();
    found.add(place, sort, "down", name, format!("ip link set {name} down")).cuts();
    found.add(place, sort, "another mtu", name, format!("ip link set {name} mtu 1400"));
    found.add(
        place,
        sort,
        "renamed",
        name,
        format!("ip link set {name} down; ip link set {name} name renamed0; ip link set renamed0 up"),
    );
    if link.mac.starts_with("02:00:00:") {
        // Only a hardware address that the file gives is the file's; the labs give such ones.
        let script = format!("ip link set {name} address 02:00:00:ff:ff:ff");
        found.add(place, sort, "another mac", name, script);
    }
    if sort == "end in a namespace"
        && let Some((address, length)) = link.addresses.first()
    {
        let script = format!(
            "ip link delete {name}; ip link add {name} type veth peer name stray0
             ip address add {address}/{length} dev {name} nodad; ip link set {name} up; ip link set stray0 up"
        );
        found.add(place, sort, "another peer", name, script).cuts();
    }
}

fn port(place: &Place, link: &Link, found: &mut Found) {
    let (sort, name) = (link.sort(place), &*link.name);
    found.add(place, sort, "no master", name, format!("ip link set {name} nomaster")).cuts();
    let script = format!("ip link add elsewhere0 up type bridge; ip link set {name} master elsewhere0");
    found.add(place, sort, "another master", name, script).cuts().tidied_by("ip link delete elsewhere0");
    if link.hairpin {
        found.add(place, sort, "no hairpin", name, format!("bridge link set dev {name} hairpin off"));
    }
}

fn bridge(place: &Place, link: &Link, found: &mut Found) {
    let (sort, name) = ("bridge", &*link.name);
    let ports: Vec<&Link> = place.links.iter().filter(|it| it.master.as_deref() == Some(name)).collect();
    let borrowed = ports.iter().find(|port| !port.ours);
    found.add(place, sort, "deleted", name, format!("ip link delete {name}")).cuts();
    found.add(place, sort, "down", name, format!("ip link set {name} down")).cuts();
    found.add(place, sort, "another mac", name, format!("ip link set {name} address 02:00:00:ff:ff:fe"));
    found.add(place, sort, "stp", name, format!("ip link set {name} type bridge stp_state 1"));
    found.add(place, sort, "ageing time", name, format!("ip link set {name} type bridge ageing_time 6000"));
    if let Some(nic) = borrowed {
        found.add(place, "NIC", "no master", &nic.name, format!("ip link set {} nomaster", nic.name)).cuts();
    } else {
        // Otherwise the MTU of the bridge follows the NIC's.
        found.add(place, sort, "another mtu", name, format!("ip link set {name} mtu 1400"));
    }
}
