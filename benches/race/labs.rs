//! The networks that are raced for, as topologies of netwright's, and as what people type.

use std::fmt::Write as _;

/// As many ports as a bridge is given.
const PORTS: usize = 1000;
const ROUTERS: usize = 50;
const LINKS: usize = 200;

/// Bridges of a star, and how many namespaces each of them has.
pub fn bridges_of(count: usize) -> (usize, usize) {
    let bridges = if count <= PORTS { 1 } else { count / PORTS + 1 };
    (bridges, count.div_ceil(bridges))
}

/// What of a star is otherwise than usual.
#[derive(Clone, Copy, Default)]
pub struct Edit {
    /// The MTU of the first link.
    pub mtu: Option<u32>,
    /// How many of the first namespaces have no link.
    pub unplugged: usize,
}

/// Namespaces around bridges, each with an address and a default route.
pub fn star(count: usize, edit: Edit) -> String {
    let (bridges, size) = bridges_of(count);
    let mut lab = "name: race\nbridges:\n".to_owned();
    for bridge in 0..bridges {
        _ = writeln!(lab, "  br{bridge}: {{ addresses: [10.{bridge}.0.1/16] }}");
    }
    lab.push_str("namespaces:\n");
    for at in 0..count {
        match at < edit.unplugged {
            true => _ = writeln!(lab, "  n{at}: {{}}"),
            false => _ = writeln!(lab, "  n{at}: {{ routes: [{{ to: default, via: 10.{}.0.1 }}] }}", at / size),
        }
    }
    lab.push_str("links:\n");
    for at in edit.unplugged..count {
        let mtu = edit.mtu.filter(|_| at == 0).map(|mtu| format!(", mtu: {mtu}")).unwrap_or_default();
        let (bridge, address) = (at / size, address_in_star(at, size));
        _ = writeln!(lab, "  - {{ endpoints: ['n{at}:eth0 {address}/16', br{bridge}]{mtu} }}");
    }
    lab
}

/// The address of a namespace of a star.
pub fn address_in_star(at: usize, size: usize) -> String {
    let place = at % size + 2;
    format!("10.{}.{}.{}", at / size, place >> 8, place & 255)
}

/// The same by iproute2: two batches for the host, and one inside of each namespace.
pub fn star_by_ip(count: usize) -> String {
    let (bridges, size) = bridges_of(count);
    let mut script = "set -e\nip -batch - <<END\n".to_owned();
    (0..bridges).for_each(|bridge| _ = writeln!(script, "link add br{bridge} type bridge"));
    (0..count).for_each(|at| _ = writeln!(script, "netns add n{at}"));
    (0..count).for_each(|at| _ = writeln!(script, "link add n{at}-eth0 type veth peer name eth0 netns n{at}"));
    script.push_str("END\n");
    for at in 0..count {
        let (bridge, address) = (at / size, address_in_star(at, size));
        _ = writeln!(
            script,
            "ip -n n{at} -batch - <<END\nlink set lo up\naddr add {address}/16 dev eth0\nlink set eth0 up\n\
             route add default via 10.{bridge}.0.1 proto static\nEND"
        );
    }
    script.push_str("ip -batch - <<END\n");
    (0..count).for_each(|at| _ = writeln!(script, "link set n{at}-eth0 master br{} up", at / size));
    for bridge in 0..bridges {
        _ = writeln!(script, "addr add 10.{bridge}.0.1/16 dev br{bridge}\nlink set br{bridge} up");
    }
    script + "END\n"
}

/// The same as it stands in tutorials: a process for each command.
pub fn star_by_commands(count: usize) -> String {
    let (bridges, size) = bridges_of(count);
    let mut script = "set -e\n".to_owned();
    (0..bridges).for_each(|bridge| {
        _ = writeln!(script, "ip link add br{bridge} type bridge\nip addr add 10.{bridge}.0.1/16 dev br{bridge}");
    });
    for at in 0..count {
        let (bridge, address) = (at / size, address_in_star(at, size));
        _ = writeln!(
            script,
            "ip netns add n{at}\nip link add n{at}-eth0 type veth peer name eth0 netns n{at}\nip -n n{at} link set lo up\n\
             ip -n n{at} addr add {address}/16 dev eth0\nip -n n{at} link set eth0 up\n\
             ip link set n{at}-eth0 master br{bridge} up\n\
             ip -n n{at} route add default via 10.{bridge}.0.1 proto static"
        );
    }
    (0..bridges).for_each(|bridge| _ = writeln!(script, "ip link set br{bridge} up"));
    script
}

fn ends(link: usize) -> (usize, usize) {
    (link % ROUTERS, (link % ROUTERS + 1 + link / ROUTERS) % ROUTERS)
}

fn address_in_mesh(link: usize, side: usize) -> String {
    format!("10.100.{}.{}", link >> 6, (link & 63) * 4 + side)
}

/// Ten routes of a router, by its links to the next ones.
fn routes(router: usize) -> impl Iterator<Item = (String, String)> {
    let via = move |route: usize| address_in_mesh(router + ROUTERS * (route % 4), 2);
    (0..10).map(move |route| (format!("172.{}.{router}.0/24", 16 + route), via(route)))
}

/// Routers in a ring, each with links to the four next ones.
pub fn mesh() -> String {
    let mut lab = "name: race\nnamespaces:\n".to_owned();
    for router in 0..ROUTERS {
        let routes: Vec<String> = routes(router).map(|(to, via)| format!("{{ to: {to}, via: {via} }}")).collect();
        _ = writeln!(lab, "  r{router}: {{ forwarding: true, routes: [{}] }}", routes.join(", "));
    }
    lab.push_str("links:\n");
    for link in 0..LINKS {
        let ((one, other), (near, far)) = (ends(link), (address_in_mesh(link, 1), address_in_mesh(link, 2)));
        _ = writeln!(lab, "  - {{ endpoints: ['r{one}:l{link} {near}/30', 'r{other}:l{link} {far}/30'] }}");
    }
    lab
}

/// The same by iproute2.
pub fn mesh_by_ip() -> String {
    let mut script = "set -e\nip -batch - <<END\n".to_owned();
    (0..ROUTERS).for_each(|router| _ = writeln!(script, "netns add r{router}"));
    for link in 0..LINKS {
        let (one, other) = ends(link);
        _ = writeln!(script, "link add l{link} netns r{one} type veth peer name l{link} netns r{other}");
    }
    script.push_str("END\n");
    for router in 0..ROUTERS {
        let forwarding = "net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1";
        _ = writeln!(
            script,
            "ip netns exec r{router} sysctl -qw {forwarding}\nip -n r{router} -batch - <<END\nlink set lo up"
        );
        for link in (0..LINKS).filter(|link| ends(*link).0 == router || ends(*link).1 == router) {
            let side = if ends(link).0 == router { 1 } else { 2 };
            _ = writeln!(script, "addr add {}/30 dev l{link}\nlink set l{link} up", address_in_mesh(link, side));
        }
        for (to, via) in routes(router) {
            _ = writeln!(script, "route add {to} via {via} proto static");
        }
        script.push_str("END\n");
    }
    script
}

/// Ports of the host's that lead to one server.
pub fn forwards(count: usize) -> String {
    let mut lab = "name: race\nnamespaces: { web: {} }\nbridges: { br0: { addresses: [10.1.0.1/24] } }\n".to_owned();
    lab.push_str("links: [{ endpoints: ['web:eth0 10.1.0.2/24', br0] }]\ngateways: [{ bridge: br0 }]\n");
    lab.push_str("nat: [{ masquerade: 10.1.0.0/24 }]\nport_forwards:\n");
    (0..count).for_each(|at| _ = writeln!(lab, "  - {{ listen: {}, to: 'web:{}' }}", 10_000 + at, 20_000 + at));
    lab
}

/// The rules alone, as few as do the same, for `iptables-restore`.
pub fn forwards_by_restore(count: usize) -> String {
    let mut rules = "*nat\n:FLOOR - [0:0]\n-A PREROUTING -j FLOOR\n-A OUTPUT -j FLOOR\n".to_owned();
    rules.push_str("-A POSTROUTING -s 10.1.0.0/24 ! -d 10.1.0.0/24 -j MASQUERADE\n");
    for at in 0..count {
        let (port, target) = (10_000 + at, 20_000 + at);
        _ = writeln!(rules, "-A FLOOR -p tcp --dport {port} -j DNAT --to-destination 10.1.0.2:{target}");
    }
    rules + "COMMIT\n"
}
