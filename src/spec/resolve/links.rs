//! Links: which namespace and device each end is, and what the two say of each other.

use foldhash::HashMap;

use super::{
    Rules,
    bridges::stable_mac,
    mtu, namespaces,
    scope::{EndId, Interface, Scope, Segment, What},
};
use crate::{
    kind::{
        addresses::Addresses,
        conf::Conf,
        link::{End, Link},
    },
    model::{Diagnostic, Label, Mac, Spanned, name},
    spec::file::{self, Place},
};

/// A link whose ends are known.
#[derive(Debug)]
pub struct Entered {
    index: usize,
    name: String,
    ends: [EnteredEnd; 2],
}

#[derive(Debug)]
struct EnteredEnd {
    namespace: Label,
    bridge: Option<Label>,
    interface: String,
    device: String,
}

/// The label of the bridge that an end is written to plug into; a short form's may be a namespace.
pub fn bridge_label(end: &file::End) -> Option<&Label> {
    match &end.place {
        Place::Named(label) | Place::Bridge(label) => Some(&label.value),
        Place::Namespace(_) => None,
    }
}

/// Enters every end's interface and every pair's segment.
pub fn enter(scope: &mut Scope<'_>) -> Vec<Entered> {
    let file = scope.file;
    let mut entered: Vec<Entered> = Vec::new();
    let mut called: HashMap<String, usize> = HashMap::default();
    for (index, link) in file.links.iter().enumerate() {
        let [first, second] = &link.endpoints;
        let places = [place(scope, first), place(scope, second)];
        let [Some(a), Some(b)] = places else {
            link.endpoints.iter().for_each(|end| concern(scope, end));
            continue;
        };
        let ends = [end_of(scope, &a, first, (&b, second)), end_of(scope, &b, second, (&a, first))];
        let [Some(a), Some(b)] = ends else {
            link.endpoints.iter().for_each(|end| concern(scope, end));
            continue;
        };
        if [&a, &b].into_iter().any(|end| end.bridge.as_ref().is_some_and(|bridge| !scope.gaps.knows(bridge))) {
            // Automatic addresses come from the bridge.
            [&a, &b].into_iter().for_each(|end| scope.gaps.concern(&end.namespace));
        }
        let segment = segment_of(scope, link, &a, &b);
        // Where an end's name is taken, those that are made up from it are too, and say nothing new.
        let taken = [&a, &b].into_iter().any(|it| it.bridge.is_none() && scope.has_device(&it.namespace, &it.device));
        for (which, entered, end) in [(0, &a, first), (1, &b, second)] {
            if !(taken && entered.bridge.is_some() && end.interface.is_none()) {
                enter_end(scope, (index, which), entered, end, segment);
            }
        }
        let name = name_of(link, &a, &b);
        // Two without a name that are called alike share an interface, which has been said.
        let other = *called.entry(name.clone()).or_insert(index);
        if let (true, Some(span)) = (other != index, link.name.as_ref().map(|name| name.span)) {
            let other = &file.links[other];
            let error = Diagnostic::error("name::duplicate", format!("two links are called `{name}`"))
                .at(span, "the second one")
                .at(other.name.as_ref().map_or(other.span, |name| name.span), "the first one")
                .help("rename one of them");
            scope.error(error);
        }
        entered.push(Entered { index, name, ends: [a, b] });
    }
    check_ports(scope, &entered);
    entered
}

/// A bridge of the kernel has room for so many ports (`BR_MAX_PORTS` is 1024, of which the first stays free).
const PORTS_MAX: usize = 1023;

fn check_ports(scope: &mut Scope<'_>, entered: &[Entered]) {
    let file = scope.file;
    let mut members: HashMap<&Label, Vec<usize>> = HashMap::default();
    for Entered { index, ends, .. } in entered {
        for bridge in ends.iter().filter_map(|end| end.bridge.as_ref()) {
            members.entry(bridge).or_default().push(*index);
        }
    }
    for (label, bridge) in &file.bridges {
        let Some(members) = members.get(&label.value) else { continue };
        let rest = PORTS_MAX.saturating_sub(bridge.ports.len());
        if let Some(index) = members.get(rest) {
            let count = PORTS_MAX - rest + members.len();
            let error = Diagnostic::error("bridge::full", format!("the bridge `{label}` would have {count} ports"))
                .at(file.links[*index].span, format!("the first of them past {PORTS_MAX}"))
                .help(format!("a bridge takes {PORTS_MAX} ports; spread them over several bridges, joined by a link"));
            scope.error(error);
        }
    }
}

/// The namespace of an end that is not entered has an interface that is not known.
fn concern(scope: &mut Scope<'_>, end: &file::End) {
    let (Place::Named(label) | Place::Namespace(label) | Place::Bridge(label)) = &end.place;
    let is_namespace = scope.namespaces.contains_key(&label.value);
    if is_namespace {
        scope.gaps.concern(label);
    } else if !scope.bridges.contains_key(&label.value) {
        scope.concern_meant(label);
    }
}

/// What an end's place is.
enum Where {
    Namespace(Label),
    Bridge(Label, Label),
}

fn place(scope: &mut Scope<'_>, end: &Spanned<file::End>) -> Option<Where> {
    match &end.place {
        Place::Namespace(label) => scope.namespace(label).map(Where::Namespace),
        Place::Bridge(label) => scope.bridge(label).and_then(|label| bridge_place(scope, label)),
        Place::Named(label) if scope.bridges.contains_key(&label.value) => bridge_place(scope, label.value.clone()),
        Place::Named(label) if scope.namespaces.contains_key(&label.value) => {
            Some(Where::Namespace(label.value.clone()))
        }
        Place::Named(_) if !scope.gaps.knows_names() => None,
        Place::Named(label) => {
            scope.neither(label);
            None
        }
    }
}

/// A bridge with the namespace that it lives in.
fn bridge_place(scope: &Scope<'_>, label: Label) -> Option<Where> {
    let namespace = scope.bridge_spec(&label)?.namespace.as_ref().map(|name| name.value.clone());
    Some(Where::Bridge(label, namespace.unwrap_or_else(Scope::host)))
}

/// An end, by its place and by what the other one is.
fn end_of(
    scope: &mut Scope<'_>,
    this: &Where,
    end: &Spanned<file::End>,
    other: (&Where, &file::End),
) -> Option<EnteredEnd> {
    match this {
        Where::Namespace(namespace) => {
            let Some(interface) = &end.interface else {
                if scope.gaps.tear(end.span) {
                    return None;
                }
                let error =
                    Diagnostic::error("link::no_interface", format!("this end in `{namespace}` has no interface"))
                        .at(end.span, "which device of it?")
                        .help(format!("write {namespace}:eth0, or whatever the device is to be called"));
                scope.error(error);
                return None;
            };
            let device = scope.device(namespace, interface.as_str(), interface.span)?;
            Some(EnteredEnd {
                namespace: namespace.clone(),
                bridge: None,
                interface: interface.to_string(),
                device: device.to_string(),
            })
        }
        Where::Bridge(bridge, namespace) => {
            refuse_port_addresses(scope, bridge, end);
            let (interface, device) = match &end.interface {
                Some(interface) => {
                    (interface.to_string(), scope.device(namespace, interface.as_str(), interface.span)?.to_string())
                }
                None => made_up_port(scope, namespace, bridge, other),
            };
            Some(EnteredEnd { namespace: namespace.clone(), bridge: Some(bridge.clone()), interface, device })
        }
    }
}

fn refuse_port_addresses(scope: &mut Scope<'_>, bridge: &Label, end: &Spanned<file::End>) {
    if let Some(first) = end.addresses.as_ref().and_then(|list| list.first()) {
        let error =
            Diagnostic::error("address::on_port", format!("a port of the bridge `{bridge}` cannot have an address"))
                .at(first.span, "on a bridge's port")
                .help(format!("put it on the bridge: bridges.{bridge}.addresses"));
        scope.error(error);
    }
}

/// The port name `NS-IF`; past 15 bytes its first 8, `-` and 6 hex digits of a hash of the whole. It depends on nothing
/// else in the file.
fn made_up_port(
    scope: &Scope<'_>,
    namespace: &Label,
    bridge: &Label,
    (other, far): (&Where, &file::End),
) -> (String, String) {
    let far_name = match other {
        Where::Namespace(label) | Where::Bridge(label, _) => label.as_str(),
    };
    let plain = match &far.interface {
        Some(interface) => format!("{far_name}-{}", interface.value),
        None => format!("{far_name}-{bridge}"),
    };
    let prefix = if namespace.as_str() == super::HOST { scope.prefix.clone() } else { String::new() };
    let device = name::made_up(&format!("{prefix}{plain}"));
    (plain, device)
}

/// The segment of a link: its bridge's, or one of its own. Two bridges with a cable between them are one segment each:
/// members are looked for on the bridge that they are plugged into.
fn segment_of(scope: &mut Scope<'_>, link: &file::Link, a: &EnteredEnd, b: &EnteredEnd) -> Option<usize> {
    let bridge = a.bridge.as_ref().or(b.bridge.as_ref());
    if let Some(bridge) = bridge {
        if let Some(subnet) = link.subnet.first() {
            let error = Diagnostic::error("address::subnet_of_port", "a link to a bridge has the bridge's subnets")
                .at(subnet.span, "not for a bridge's port")
                .help(format!("write it as bridges.{bridge}.subnets, or leave it out"));
            scope.error(error);
        }
        return scope.segment_of_bridge.get(bridge).copied();
    }
    let subnets = Segment::subnets(link.subnet.iter().copied());
    scope.segments.push(Segment { bridge: None, subnets, external: false });
    Some(scope.segments.len() - 1)
}

fn enter_end(scope: &mut Scope<'_>, id: EndId, entered: &EnteredEnd, end: &Spanned<file::End>, segment: Option<usize>) {
    let Ok(device) = entered.device.parse() else { return };
    let interface = Interface {
        name: entered.interface.clone(),
        device,
        addresses: end.addresses.iter().flatten().map(|net| net.value).collect(),
        unmanaged: end.addresses.as_ref().is_none_or(Vec::is_empty),
        up: end.up.as_ref().is_none_or(|up| up.value),
        what: match &entered.bridge {
            Some(bridge) => What::Port(id, bridge.clone()),
            None => What::End(id),
        },
        segment: segment.filter(|_| entered.bridge.is_none()),
        span: end.interface.as_ref().map_or(end.span, |interface| interface.span),
    };
    scope.enter(&entered.namespace, interface);
}

/// A link's address: its name, else its first end that is no bridge's port.
fn name_of(link: &file::Link, a: &EnteredEnd, b: &EnteredEnd) -> String {
    if let Some(name) = &link.name {
        return name.to_string();
    }
    let end = [a, b].into_iter().find(|end| end.bridge.is_none()).unwrap_or(a);
    format!("{}:{}", end.namespace, end.interface)
}

/// The resources.
pub fn build(scope: &Scope<'_>, entered: &[Entered], rules: &Rules) -> Vec<Link> {
    let mut built = Vec::new();
    for Entered { index, name, ends } in entered {
        let link = &scope.file.links[*index];
        let [a, b] = ends;
        let [first, second] = &link.endpoints;
        // A port needs hairpin where the other end is a forward's target.
        let needs = |far: usize| rules.hairpin.contains(&(*index, far));
        let ends = vec![
            build_end(scope, rules, link, (a, first), (*index, 0), needs(1)),
            build_end(scope, rules, link, (b, second), (*index, 1), needs(0)),
        ];
        built.push(Link { name: name.clone(), ends, queues: link.queues.as_ref().map(|queues| queues.value) });
    }
    built
}

fn is_external(scope: &Scope<'_>, bridge: &Label) -> bool {
    scope.segment_of_bridge.get(bridge).is_some_and(|segment| scope.segments[*segment].external)
}

fn build_end(
    scope: &Scope<'_>,
    rules: &Rules,
    link: &file::Link,
    (entered, end): (&EnteredEnd, &file::End),
    id: EndId,
    hairpin: bool,
) -> End {
    let label = match &entered.bridge {
        Some(bridge) => format!("{bridge}:{}", entered.interface),
        None => format!("{}:{}", entered.namespace, entered.interface),
    };
    let interface = scope.at_device(&entered.namespace, &entered.device);
    let bridge = entered.bridge.as_ref().and_then(|bridge| scope.find(&What::Bridge(bridge.clone())));
    // By where it lives and not by its bridge, so that a port keeps it when it moves to another.
    let place = format!("{}:{}", entered.namespace, entered.interface);
    let mac = end.mac.as_ref().map_or_else(|| stable_mac(scope, &place), |mac| mac.value);
    // A bridge that has no address of its own takes the lowest of its ports': one of somebody else's keeps what it has.
    let beside = end.mac.is_none()
        && interface.is_some_and(|it| matches!(&it.what, What::Port(_, bridge) if is_external(scope, bridge)));
    let mac = if beside { Mac([0xfe, mac.0[1], mac.0[2], mac.0[3], mac.0[4], mac.0[5]]) } else { mac };
    let managed = interface.filter(|it| !it.unmanaged && matches!(it.what, What::End(end) if end == id));
    End {
        label,
        netns: scope.netns(&entered.namespace),
        device: entered.device.clone(),
        bridge: bridge.map(|(_, it)| it.device.to_string()),
        mac: Some(mac),
        mtu: mtu::of_end(link, end),
        up: end.up.as_ref().is_none_or(|up| up.value),
        addresses: Addresses::wanted(managed.iter().flat_map(|it| it.addresses.iter().copied())),
        hairpin: hairpin && entered.bridge.is_some(),
        conf: match entered.bridge {
            // A port has no addresses, and nothing is routed by it.
            Some(_) => Conf { ipv6: namespaces::ipv6_of_host(scope, &entered.namespace), ..Conf::default() },
            None => namespaces::conf_of(scope, rules, &entered.namespace, &entered.device),
        },
        was_port: None,
        marked: true,
        index: 0,
    }
}
