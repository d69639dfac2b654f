//! Namespaces: forwarding, sysctls, and what of the host is borrowed.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::{
    HOST, Rules,
    scope::{Scope, What},
};
use crate::{
    kind::{
        addresses::Addresses,
        conf::{Around, Conf},
        host::HostSettings,
        namespace::Namespace,
        sysctl::{self, FORWARD_V4, FORWARD_V6},
    },
    model::{Diagnostic, Label, Netns, Spanned},
    spec::file,
};

/// The namespaces to be made.
pub fn resolve(scope: &mut Scope<'_>, rules: &Rules) -> Vec<Namespace> {
    let file = scope.file;
    let ours = file.namespaces.iter().filter(|(label, _)| label.as_str() != HOST);
    ours.map(|(label, spec)| one(scope, label, spec, rules)).collect()
}

fn one(scope: &mut Scope<'_>, label: &Spanned<Label>, spec: &file::Namespace, rules: &Rules) -> Namespace {
    let netns = scope.netns(label);
    let mut sysctls = BTreeMap::new();
    if scope.ipv6_off().is_some() {
        for which in ["all", "default"] {
            sysctls.insert(format!("net/ipv6/conf/{which}/disable_ipv6"), "1".to_owned());
        }
    }
    if has_ipv6(scope, label) {
        // A router does not forward IPv6 while its link-local address is in duplicate address detection: a second or
        // two after an apply. The addresses of the lab are nodad; so are these then.
        sysctls.insert("net/ipv6/conf/default/accept_dad".to_owned(), "0".to_owned());
    }
    let need = rules.forwarding.get(&label.value);
    if let (Some(need), Some(false)) = (need, spec.forwarding.as_ref().map(|it| it.value)) {
        let span = spec.forwarding.as_ref().map_or(label.span, |it| it.span);
        let error = Diagnostic::error("forwarding::needed", format!("`{label}` must forward for {}", need.because))
            .at(span, "turned off here")
            .at(need.span, "needed for this")
            .help(format!("remove {}", scope.pair(span, "forwarding", false)));
        scope.error(error);
    }
    if need.is_some() || spec.forwarding.is_some() {
        let forwards = need.is_some() || spec.forwarding.as_ref().is_some_and(|it| it.value);
        for key in [FORWARD_V4, FORWARD_V6] {
            sysctls.insert(key.to_owned(), u8::from(forwards).to_string());
        }
    }
    for device in rules.route_localnet.get(&netns).into_iter().flatten().filter(|it| !is_made(scope, label, it)) {
        sysctls.insert(format!("net/ipv4/conf/{device}/route_localnet"), "1".to_owned());
    }
    add_written(scope, label, spec, &mut sysctls);
    // The kernel's inherited default is written over, both ways and both families.
    for key in [FORWARD_V4, FORWARD_V6] {
        sysctls.entry(key.to_owned()).or_insert_with(|| "0".to_owned());
    }
    Namespace {
        label: label.to_string(),
        netns,
        loopback: spec.loopback.as_ref().is_none_or(|it| it.value),
        addresses: Addresses::wanted(spec.addresses.iter().flatten().map(|net| net.value).filter(not_by_itself)),
        sysctls,
    }
}

/// Whether an interface of the namespace, `lo` aside, has an IPv6 address.
fn has_ipv6(scope: &Scope<'_>, label: &Label) -> bool {
    let interfaces = scope.of(label).iter().filter(|it| it.name != "lo");
    interfaces.flat_map(|it| &it.addresses).any(|net| net.addr().is_ipv6())
}

/// 127.0.0.1/8 and ::1/128 are on every lo that is up.
fn not_by_itself(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.addr() != Ipv4Addr::LOCALHOST || net.prefix_len() != 8,
        IpNet::V6(net) => net.addr() != Ipv6Addr::LOCALHOST || net.prefix_len() != 128,
    }
}

/// The settings of a device of ours, as far as the file does not write them itself.
pub fn conf_of(scope: &Scope<'_>, rules: &Rules, namespace: &Label, device: &str) -> Conf {
    let spec = scope.spec(namespace);
    let sysctls = scope.sysctls(namespace);
    let written = |path: &str| sysctls?.get(path).map(|value| sysctl::normal(value) != "0");
    let asked = spec.and_then(|spec| spec.forwarding.as_ref()).is_some_and(|it| it.value);
    let forwards = asked
        || rules.forwarding.get(namespace).is_some_and(|need| need.v4)
        || written(sysctl::FORWARD_V4) == Some(true);
    let listed = rules.route_localnet.get(&scope.netns(namespace)).is_some_and(|devices| devices.contains(device));
    let own = |family: &str, what: &str| sysctls.and_then(|_| written(&format!("net/{family}/conf/{device}/{what}")));
    let of_all = ["net/ipv4/conf/all/forwarding", "net/ipv4/conf/default/forwarding"];
    let of_all = of_all.into_iter().any(|path| written(path).is_some());
    // The host is never forced to 0.
    let forwarding = (forwards || namespace.as_str() != HOST).then_some(forwards);
    let interface = scope.at_device(namespace, device);
    let v6 = interface.is_some_and(|it| it.addresses.iter().any(|net| net.addr().is_ipv6()));
    let ipv6 = ipv6_of_host(scope, namespace).or_else(|| (v6 && scope.ipv6_off().is_none()).then_some(true));
    Conf {
        route_localnet: own("ipv4", "route_localnet").or_else(|| written(sysctl::LOCALNET_DEFAULT)).unwrap_or(listed),
        forwarding: forwarding.filter(|_| own("ipv4", "forwarding").is_none() && !of_all),
        ipv6,
        ipv6_is_written: own("ipv6", "disable_ipv6").is_some(),
        // In namespaces of ours every device is born so.
        accept_dad: (v6 && namespace.as_str() == HOST && own("ipv6", "accept_dad").is_none()).then_some(false),
        around: Around::wanted(ipv6_of_new(namespace, &written)),
    }
}

/// Whether a new device of a namespace is to speak IPv6; `None` where it is not for the file to say, or off for all.
fn ipv6_of_new(namespace: &Label, written: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    match sysctl::DISABLE_V6.map(written) {
        _ if namespace.as_str() == HOST => None,
        [Some(true), _] => None,
        [_, off_for_new] => Some(off_for_new != Some(true)),
    }
}

/// With `ipv6: false` a device of ours on the host, which as a whole is not ours to change, has none either.
pub fn ipv6_of_host(scope: &Scope<'_>, namespace: &Label) -> Option<bool> {
    (namespace.as_str() == HOST && scope.ipv6_off().is_some()).then_some(false)
}

/// Whether a device is of the file's making, so that its settings are no business of its namespace's.
fn is_made(scope: &Scope<'_>, label: &Label, device: &str) -> bool {
    scope.at_device(label, device).is_some_and(|it| !scope.is_external(it))
}

/// The sysctls of the file; one that contradicts what the file says elsewhere is an error.
fn add_written(scope: &mut Scope<'_>, label: &Label, spec: &file::Namespace, sysctls: &mut BTreeMap<String, String>) {
    let mut seen: BTreeMap<String, crate::model::Span> = BTreeMap::new();
    for (key, value) in &spec.sysctls {
        let path = sysctl::path_of_key(key);
        if let Some(first) = seen.insert(path.clone(), key.span) {
            let error = Diagnostic::error("sysctl::duplicate", format!("`{}` is set twice", key.value))
                .at(key.span, "the second time")
                .at(first, "the first time")
                .help("keep one of them: both names are of one sysctl");
            scope.error(error);
            continue;
        }
        if let Some(device) = sysctl::interface_of_path(&path).filter(|device| !may_have(scope, label, device)) {
            scope.no_interface(label, device, key.span);
        }
        let other = sysctls.insert(path.clone(), value.value.clone());
        if let Some(other) = other.filter(|other| sysctl::normal(other) != sysctl::normal(value)) {
            let what = format!("`{}` is {} by the rest of the file, and {} here", key.value, other, value.value);
            let error = Diagnostic::error("sysctl::contradiction", what).at(value.span, "another value");
            let by_key = [FORWARD_V4, FORWARD_V6].contains(&&*path);
            let said = spec.forwarding.as_ref().filter(|it| by_key && u8::from(it.value).to_string() == other);
            let error = match said {
                Some(forwarding) => error.at(forwarding.span, format!("says {other}")),
                None => error,
            }
            .help("say it in one place: `forwarding` and `ipv6` write sysctls too");
            scope.error(error);
        }
    }
}

/// Whether a namespace has a device, or may have it by others: the host does, and a bridge inside whose ports the file only
/// names. The kernel itself makes some in every namespace where the module of a kind of tunnel is there.
fn may_have(scope: &Scope<'_>, label: &Label, device: &str) -> bool {
    const BY_THE_KERNEL: [&str; 9] =
        ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"];
    let made = scope.at_device(label, device).is_some() || BY_THE_KERNEL.contains(&device);
    let mut bridges = scope.of(label).iter().filter_map(|it| match &it.what {
        What::Bridge(bridge) => scope.bridge_spec(bridge),
        What::Loopback | What::End(_) | What::Port(..) => None,
    });
    let is_foreign = |it: &file::Bridge| !it.ports.is_empty() || it.external.as_ref().is_some_and(|it| it.value);
    made || label.as_str() == HOST || bridges.any(is_foreign)
}

/// What is borrowed of the host: it is never forced to 0.
pub fn host(scope: &mut Scope<'_>, rules: &Rules) -> Option<HostSettings> {
    let mut sysctls = BTreeMap::new();
    let key = Spanned { value: Scope::host(), span: crate::model::Span::default() };
    let spec = scope.file.namespaces.get_key_value(&key);
    if let Some((label, spec)) = spec {
        refuse_for_host(scope, label, spec);
        if spec.forwarding.as_ref().is_some_and(|it| it.value) {
            sysctls.insert(FORWARD_V4.to_owned(), "1".to_owned());
            sysctls.insert(FORWARD_V6.to_owned(), "1".to_owned());
        }
    }
    if let Some(need) = rules.forwarding.get(&key.value) {
        let families = [(need.v4, FORWARD_V4), (need.v6, FORWARD_V6)];
        sysctls.extend(families.into_iter().filter(|(on, _)| *on).map(|(_, key)| (key.to_owned(), "1".to_owned())));
    }
    for device in rules.route_localnet.get(&Netns::Host).into_iter().flatten() {
        if !is_made(scope, &key.value, device) {
            sysctls.insert(format!("net/ipv4/conf/{device}/route_localnet"), "1".to_owned());
        }
    }
    if let Some((_, spec)) = spec {
        add_written(scope, &key.value, spec, &mut sysctls);
    }
    (!sysctls.is_empty()).then_some(HostSettings { sysctls, ..HostSettings::default() })
}

fn refuse_for_host(scope: &mut Scope<'_>, label: &Spanned<Label>, spec: &file::Namespace) {
    let loopback = spec.loopback.as_ref().map(|it| ("`loopback`".to_owned(), it.span));
    let first = spec.addresses.as_ref().map(|list| list.first().map_or(label.span, |it| it.span));
    let addresses = first.map(|span| ("`addresses`".to_owned(), span));
    let off = spec.forwarding.as_ref().filter(|it| !it.value);
    let off = off.map(|it| (scope.pair(it.span, "forwarding", false), it.span));
    for (key, span) in [loopback, addresses, off].into_iter().flatten() {
        let error = Diagnostic::error("host::not_ours", format!("{key} is not for the host"))
            .at(span, "the host is not the lab's to change")
            .help(format!(
                "the host takes `routes`, `sysctls` and {}, which are given back on destroy",
                scope.pair(span, "forwarding", true)
            ));
        scope.error(error);
    }
}
