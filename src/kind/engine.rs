//! Programs that run containers or machines, known by the names of their bridges. Each turns the host's forwarding on when
//! it starts, where it is off, and leaves it on.

use crate::model::snapshot::LinkState;

/// The program behind a bridge.
#[derive(Debug, PartialEq, Eq)]
pub struct Engine {
    /// Which it is, in words that stand behind a comma.
    pub who: &'static str,
    /// Where more about the bridge is to be learned.
    pub more: Option<String>,
}

/// Names of bridges that such programs give, each with the program's words. `*` stands for a number.
const KNOWN: [(&str, &str); 8] = [
    ("docker_gwbridge", "Docker's bridge for swarm networks"),
    ("virbr*", "a bridge of libvirt's (`virsh net-list --all`)"),
    ("podman*", "a bridge of Podman's (`podman network ls`)"),
    ("cni-podman*", "a bridge of Podman's (`podman network ls`)"),
    ("cni*", "a bridge of a Kubernetes node's CNI"),
    ("lxcbr*", "a bridge of LXC's"),
    ("lxdbr*", "a bridge of LXD's (`lxc network list`)"),
    ("incusbr*", "a bridge of Incus's (`incus network list`)"),
];

impl Engine {
    /// Whose bridge a device is, where its name tells.
    pub fn of(link: &LinkState) -> Option<Self> {
        if let Some(id) = docker_network(link) {
            let more = format!("`docker network inspect {id}` shows which network it is");
            return Some(Self { who: "a Docker network's bridge", more: Some(more) });
        }
        KNOWN.iter().find(|(pattern, _)| fits(pattern, &link.name)).map(|(_, who)| Self { who, more: None })
    }
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

/// Whether a name is of that pattern, in which a `*` at the end stands for a number.
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => {
            let number = name.strip_prefix(start);
            number.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
        }
        None => name == pattern,
    }
}
