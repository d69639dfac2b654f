//! Who holds a thing of the host's, in words, as far as the kernel tells: by our mark, else by what a device is called and
//! what kind of device it is.

use crate::{
    kind::engine::{Engine, fits},
    model::{Mark, snapshot::LinkState},
};

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

/// Who made a device, where that can be told.
pub fn of_device(link: &LinkState) -> Option<Holder> {
    if let Some(mark) = link.mark() {
        return Some(Holder { who: format!("the {} of the topology `{}`", mark.address, mark.topology), more: None });
    }
    if let Some(engine) = Engine::of(link) {
        return Some(Holder { who: engine.who.to_owned(), more: engine.more });
    }
    let who = match link.kind.as_deref() {
        _ if fits("tailscale*", &link.name) => "Tailscale's VPN",
        Some("wireguard") => "a WireGuard VPN",
        Some("tun") => "a tunnel that a program such as a VPN holds",
        _ => return None,
    };
    Some(Holder { who: who.to_owned(), more: None })
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
