//! Who holds a thing of the host's, in words, as far as the kernel tells: by our mark, else by what a device is called and
//! what kind of device it is.

use crate::model::{Mark, snapshot::LinkState};

/// Who holds a thing, by its mark.
pub fn of_mark(mark: Option<Mark>) -> String {
    match mark {
        Some(mark) => format!("the topology `{}` holds it ({})", mark.topology, mark.address),
        None => "no topology holds it: somebody else made it".to_owned(),
    }
}

/// A holder that is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who it is, to stand behind a comma.
    pub who: String,
    /// Where more about it is to be learned.
    pub more: Option<String>,
}

/// Names of devices that programs give, each with the program's words. `*` stands for a number.
const KNOWN: [(&str, &str); 9] = [
    ("docker_gwbridge", "Docker's bridge for swarm networks"),
    ("virbr*", "a bridge of libvirt's (`virsh net-list --all`)"),
    ("podman*", "a bridge of Podman's (`podman network ls`)"),
    ("cni-podman*", "a bridge of Podman's (`podman network ls`)"),
    ("cni*", "a bridge of a Kubernetes node's CNI"),
    ("lxcbr*", "a bridge of LXC's"),
    ("lxdbr*", "a bridge of LXD's (`lxc network list`)"),
    ("incusbr*", "a bridge of Incus's (`incus network list`)"),
    ("tailscale*", "Tailscale's VPN"),
];

/// Who made a device, where that can be told.
pub fn of_device(link: &LinkState) -> Option<Holder> {
    if let Some(mark) = link.mark() {
        return Some(Holder { who: format!("the {} of the topology `{}`", mark.address, mark.topology), more: None });
    }
    if let Some(id) = docker_network(link) {
        let more = format!("`docker network inspect {id}` shows which network it is");
        return Some(Holder { who: "a Docker network's bridge".to_owned(), more: Some(more) });
    }
    let known = KNOWN.iter().find(|(pattern, _)| fits(pattern, &link.name)).map(|(_, who)| (*who).to_owned());
    let kind = match link.kind.as_deref() {
        Some("wireguard") => Some("a WireGuard VPN".to_owned()),
        Some("tun") => Some("a tunnel that a program such as a VPN holds".to_owned()),
        _ => None,
    };
    known.or(kind).map(|who| Holder { who, more: None })
}

/// What Docker calls the network of a bridge: its own name is not to be had without the engine.
fn docker_network(link: &LinkState) -> Option<&str> {
    /// Of a network's ID, this many digits are in its bridge's name.
    const DIGITS: usize = 12;
    if link.name == "docker0" {
        return Some("bridge");
    }
    let id = link.name.strip_prefix("br-")?;
    let is_id = id.len() == DIGITS && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_id && link.kind.as_deref() == Some("bridge")).then_some(id)
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => {
            let number = name.strip_prefix(start);
            number.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
        }
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str, kind: Option<&str>) -> Option<String> {
        let link = LinkState { name: name.into(), kind: kind.map(str::to_owned), ..LinkState::default() };
        of_device(&link).map(|holder| holder.who + &holder.more.map(|more| format!("; {more}")).unwrap_or_default())
    }

    #[test]
    fn a_device_is_told_by_its_name_where_only_one_program_gives_such() {
        let docker = who("br-1a2b3c4d5e6f", Some("bridge")).unwrap();
        assert_eq!(
            docker,
            "a Docker network's bridge; `docker network inspect 1a2b3c4d5e6f` shows which network it is"
        );
        assert!(who("docker0", Some("bridge")).unwrap().contains("inspect bridge"));
        assert!(who("virbr0", Some("bridge")).unwrap().contains("libvirt"));
        assert!(who("wg0", Some("wireguard")).unwrap().contains("WireGuard"));
        for (name, kind) in
            [("br-lan", "bridge"), ("br-1a2b3c4d5e6f", "dummy"), ("virbr0-nic", "dummy"), ("cni", "veth")]
        {
            assert_eq!(who(name, Some(kind)), None, "{name}");
        }
        assert_eq!(who("eth0", None), None);
    }

    #[test]
    fn a_mark_says_more_than_a_name() {
        let alias = Some("netwright:other/bridge.lan".to_owned());
        let link = LinkState { name: "docker0".into(), alias, ..LinkState::default() };
        assert_eq!(of_device(&link).unwrap().who, "the bridge.lan of the topology `other`");
    }
}
