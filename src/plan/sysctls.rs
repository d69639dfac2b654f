//! Sysctls that this kernel does not have, and values that it does not take: told of namespaces that are there, and of
//! those that are to come by what was tried out in a new one.

use std::collections::BTreeMap;

use crate::{
    kind::{Topology, sysctl},
    model::{Diagnostic, Netns, Snapshot},
};

/// Everything that could not be written.
pub fn find(topology: &Topology, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let namespaces = topology.namespaces.iter().map(|it| (&it.netns, &it.sysctls));
    let host = topology.host.iter().map(|it| (&Netns::Host, &it.sysctls));
    let (mut absent, mut refused) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
    for (netns, sysctls) in namespaces.chain(host) {
        for (key, value) in sysctls {
            if is_absent(snapshot, netns, key) {
                absent.entry(key).or_default().push(netns);
            } else if let Some(why) = refusal(snapshot, netns, key, value) {
                refused.entry((key, value, why)).or_default().push(netns);
            }
        }
    }
    let absent = absent.into_iter().map(|(key, places)| no_sysctl(snapshot, key, &places));
    let refused = refused.into_iter().map(|((key, value, why), places)| bad_value(key, value, why, &places));
    absent.chain(refused).collect()
}

/// Of a device that is still to come, its key is the one that the default has.
fn is_absent(snapshot: &Snapshot, netns: &Netns, key: &str) -> bool {
    let in_new = snapshot.fresh.get(&sysctl::of_default(key)).is_some_and(Option::is_none);
    let there = snapshot.namespaces.get(netns).and_then(|state| state.sysctls.get(key));
    match there {
        Some(there) => there.is_none() && (in_new || sysctl::interface_of_path(key).is_none()),
        None => in_new,
    }
}

/// What the kernel said of the value, where it is not the one that is there.
fn refusal<'a>(snapshot: &'a Snapshot, netns: &Netns, key: &str, value: &str) -> Option<&'a str> {
    let tried = sysctl::of_default(key);
    let refused = snapshot.refused.iter().find(|it| it.key == tried && it.value == *value)?;
    let there = snapshot.namespaces.get(netns).and_then(|state| state.sysctls.get(key)?.as_deref());
    let is_so = there.is_some_and(|there| sysctl::normal(there) == sysctl::normal(value));
    (*netns != Netns::Host && !is_so).then_some(&*refused.why)
}

fn no_sysctl(snapshot: &Snapshot, key: &str, places: &[&Netns]) -> Diagnostic {
    let what = format!("this kernel has no sysctl `{}` in {}", sysctl::key_of_path(key), names(places));
    let host = snapshot.namespaces.get(&Netns::Host).and_then(|host| host.sysctls.get(key));
    let on_host = host.is_some_and(Option::is_some) && !places.contains(&&Netns::Host);
    let help = match module(key) {
        _ if on_host => {
            "the host alone has it, one value for all namespaces: set it there, outside of the file".to_owned()
        }
        Some(module) => format!("check its spelling; it comes with the kernel module `{module}`: modprobe {module}"),
        None => "check its spelling; some keys need a module of the kernel to be loaded".to_owned(),
    };
    Diagnostic::error("conflict::no_sysctl", what).help(help)
}

fn bad_value(key: &str, value: &str, why: &str, places: &[&Netns]) -> Diagnostic {
    let key = sysctl::key_of_path(key);
    let what = format!("the kernel does not take `{value}` for the sysctl `{key}` in {}: {why}", names(places));
    let help = match &*key {
        "net.ipv4.tcp_congestion_control" => {
            "sysctl net.ipv4.tcp_available_congestion_control lists what there is; others are modules: modprobe tcp_NAME"
                .to_owned()
        }
        _ => format!("`sysctl {key}` shows what such a value looks like"),
    };
    Diagnostic::error("conflict::sysctl_value", what).help(help)
}

/// The module that brings a key, where it is not the kernel itself.
fn module(key: &str) -> Option<&'static str> {
    const MODULES: [(&str, &str); 4] = [
        ("net/bridge/", "br_netfilter"),
        ("net/netfilter/nf_conntrack", "nf_conntrack"),
        ("net/mpls/", "mpls_router"),
        ("net/sctp/", "sctp"),
    ];
    MODULES.iter().find(|(start, _)| key.starts_with(start)).map(|(_, module)| *module)
}

fn names(places: &[&Netns]) -> String {
    match places {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [one, rest @ ..] => format!("`{one}` and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{machine::RefusedValue, snapshot::NetnsState},
        plan::testing::{texts, topology},
    };

    fn with(sysctl: &str, snapshot: &Snapshot) -> String {
        let links = "links: [{endpoints: ['web:eth0 10.0.0.1/24', 'db:eth0 10.0.0.2/24']}]";
        let spec = format!("{{sysctls: {{{sysctl}}}}}");
        let lab = format!("name: lab\nnamespaces: {{web: {spec}, db: {spec}}}\n{links}\n");
        texts(&find(&topology(&lab), snapshot)).join("\n\n")
    }

    #[test]
    fn what_a_new_namespace_lacks_is_told_once() {
        let fresh = |key: &str, value: Option<&str>| Snapshot {
            fresh: [(key.to_owned(), value.map(str::to_owned))].into(),
            ..Snapshot::default()
        };
        let mut on_host = fresh("net/core/rmem_max", None);
        let value = [("net/core/rmem_max".to_owned(), Some("1".to_owned()))].into();
        on_host.namespaces.insert(Netns::Host, NetnsState { sysctls: value, ..NetnsState::default() });
        let all = [
            with("net.ipv4.tcp_ecm: 1", &fresh("net/ipv4/tcp_ecm", None)),
            with("net.ipv4.conf.eth0.rp_filtre: 1", &fresh("net/ipv4/conf/default/rp_filtre", None)),
            with("net.bridge.bridge-nf-call-iptables: 1", &fresh("net/bridge/bridge-nf-call-iptables", None)),
            with("net.core.rmem_max: 1", &on_host),
        ];
        let all = all.join("\n\n");
        insta::assert_snapshot!(all);
        assert_eq!(with("net.ipv4.tcp_ecn: 1", &fresh("net/ipv4/tcp_ecn", Some("2"))), "");
        assert_eq!(with("net.ipv4.tcp_ecn: 1", &Snapshot::default()), "", "what was not asked is not known");
    }

    #[test]
    fn a_value_is_refused_where_it_is_not_there_already() {
        let refused = RefusedValue {
            key: "net/ipv4/tcp_ecn".into(),
            value: "many".into(),
            why: "invalid argument (EINVAL)".into(),
        };
        let mut snapshot = Snapshot { refused: vec![refused], ..Snapshot::default() };
        let new = with("net.ipv4.tcp_ecn: many", &snapshot);
        assert!(new.contains("does not take `many` for the sysctl `net.ipv4.tcp_ecn` in `web` and 1 more"), "{new}");
        for name in ["web", "db"] {
            let value = [("net/ipv4/tcp_ecn".to_owned(), Some("many".to_owned()))].into();
            snapshot
                .namespaces
                .insert(Netns::Named(name.into()), NetnsState { sysctls: value, ..NetnsState::default() });
        }
        assert_eq!(with("net.ipv4.tcp_ecn: many", &snapshot), "");
    }
}
