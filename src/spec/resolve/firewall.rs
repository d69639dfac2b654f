//! NAT and port forwards: what each namespace's packet filter must do, and what follows for forwarding, loopback
//! routing and hairpin.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};

use super::{HOST, Need, Rules, facing::Facts, scope::Scope, ways::Ways};
use crate::{
    kind::{
        firewall::{Forward, NatKind, NatRule, SnatTo, forward_rest, nat_rest},
        gateway::Gateway,
        route::Route,
    },
    model::{Address, Diagnostic, IfName, Label, Netns, Span, Spanned, address::KindName, snapshot::Family},
    spec::file::{self, Target},
};

/// The rules of every namespace that has any.
pub fn resolve(scope: &mut Scope<'_>, routes: &[Route], gateways: &[Gateway], written: &[&file::Gateway]) -> Rules {
    let file = scope.file;
    let mut rules = Rules::default();
    let ways = Ways::new(routes, gateways);
    let answers = beyond_their_subnets(routes, gateways);
    let mut nat: HashMap<Label, Vec<NatRule>> = HashMap::default();
    let mut firsts = Firsts::default();
    let mut forwards: HashMap<Label, Vec<Forward>> = HashMap::default();
    let mut places: HashMap<Address, Span> = HashMap::default();
    for (gateway, written) in gateways.iter().zip(written) {
        need_for_gateway(scope, gateway, written.span, &mut rules);
    }
    for written in &file.nat {
        let Some((label, rule)) = nat_rule(scope, written) else {
            scope.gaps.drop_rule();
            continue;
        };
        let because = "a nat rule";
        need(&mut rules, &label, rule.kind.family(), because, written.span);
        if let Some(same) = firsts.hides(&rule) {
            let what = if same { "is there twice" } else { "is there already without `out`" };
            let mut error = Diagnostic::error("nat::duplicate", format!("{} {what}", rule.address))
                .at(written.span, "the second time");
            if let Some(first) = places.get(&rule.address) {
                error = error.at(*first, "the first time");
            }
            let help =
                if same { "remove one of them" } else { "remove one of them, or write the one with `out` first" };
            scope.error(error.help(help));
        }
        places.entry(rule.address.clone()).or_insert(written.span);
        nat.entry(label).or_default().push(rule);
    }
    for written in &file.port_forwards {
        // Of one that could not be read whole, what it clashes by may be what is lost.
        let whole = !scope.gaps.tear(written.span);
        let Some((label, list)) = whole.then(|| port_forward(scope, written)).flatten() else {
            scope.gaps.drop_rule();
            continue;
        };
        let hidden = |to: IpAddr| nat.get(&label).is_some_and(|rules| rules.iter().any(|rule| hides_others(rule, to)));
        warn_of_no_way_back(scope, (&label, &list), written, &|netns, forward| {
            answers.contains(&(netns, forward.family())) || hidden(forward.to)
        });
        for forward in list {
            need(&mut rules, &label, forward.family(), "a port forward", written.span);
            let others = forwards.entry(label.clone()).or_default();
            // Whoever reads that many errors gets no more; what each clashes with takes a look at many ports.
            if !crate::spec::is_full(&scope.diagnostics) {
                let met = rules.listening.entry(scope.netns(&label)).or_default().add(others.len(), &forward);
                if let Some(other) = met.and_then(|other| others.get(other)) {
                    listen_clash(scope, other, &forward, written.listen.span, &places);
                }
            }
            places.entry(forward.address.clone()).or_insert(written.listen.span);
            others.push(forward);
        }
    }
    let routers: HashSet<&Netns> = gateways.iter().map(|it| &it.netns).collect();
    let labels: Vec<Label> = rules.forwarding.keys().cloned().collect();
    for label in labels {
        let nat = nat.remove(&label).unwrap_or_default();
        let forwards = forwards.remove(&label).unwrap_or_default();
        if !nat.is_empty() || !forwards.is_empty() || routers.contains(&scope.netns(&label)) {
            let input = Facts { nat, forwards, ways: &ways }.input(scope, &label, &mut rules);
            rules.inputs.insert(scope.netns(&label), input);
        }
    }
    for label in scope.namespaces.keys().cloned().collect::<Vec<_>>() {
        if !rules.inputs.contains_key(&scope.netns(&label)) && scope.of(&label).iter().any(|it| scope.is_own_bridge(it))
        {
            let input = Facts { nat: Vec::new(), forwards: Vec::new(), ways: &ways };
            let input = input.input(scope, &label, &mut rules);
            rules.bystanders.insert(scope.netns(&label), input);
        }
    }
    rules
}

fn need(rules: &mut Rules, label: &Label, family: Family, because: &'static str, span: Span) {
    let need = rules.forwarding.entry(label.clone()).or_insert(Need { v4: false, v6: false, because, span });
    match family {
        Family::V4 => need.v4 = true,
        Family::V6 => need.v6 = true,
    }
}

fn need_for_gateway(scope: &Scope<'_>, gateway: &Gateway, span: Span, rules: &mut Rules) {
    let label = scope.label(&gateway.netns);
    let own = gateway.addresses.iter().map(|net| Family::of(net.addr()));
    let members = gateway.members.iter().map(|member| Family::of(member.to.addr()));
    for family in own.chain(members) {
        need(rules, &label, family, "a gateway", span);
        if family == Family::V6 {
            rules.ignore_ra.entry(gateway.netns.clone()).or_default().insert(gateway.device.clone());
        }
    }
    if gateway.addresses.is_empty() {
        // An external bridge, whose addresses only the kernel knows: IPv4, unless the file says more.
        need(rules, &label, Family::V4, "a gateway", span);
    }
}

/// The namespace that a rule is written for: the host unless it says another.
fn namespace_of(scope: &mut Scope<'_>, written: Option<&Spanned<Label>>) -> Option<Label> {
    match written {
        Some(label) => scope.namespace(label),
        None => Some(Scope::host()),
    }
}

/// An interface that a rule names: of the file, or in the host any.
fn out_device(scope: &mut Scope<'_>, label: &Label, out: &Spanned<IfName>) -> Option<IfName> {
    if let Some(interface) = scope.interface(label, out.as_str()) {
        return Some(interface.device.clone());
    }
    if label.as_str() == HOST {
        return Some(out.value.clone());
    }
    scope.no_interface(label, out.as_str(), out.span);
    None
}

fn nat_rule(scope: &mut Scope<'_>, written: &Spanned<file::Nat>) -> Option<(Label, NatRule)> {
    let label = namespace_of(scope, written.namespace.as_ref())?;
    let out = match &written.out {
        Some(out) => Some(out_device(scope, &label, out)?),
        None => None,
    };
    let kind = match &written.rule {
        file::NatRule::Masquerade(range) => NatKind::Masquerade(range.value),
        file::NatRule::Snat(range, to) => {
            NatKind::Snat(range.value, SnatTo { first: to.first, last: to.last, ports: to.ports })
        }
        file::NatRule::Dnat(from, to) => NatKind::Dnat(from.value, to.value),
    };
    let address = Address::new(KindName::Nat, nat_rest(label.as_str(), kind.as_str(), kind.matched()));
    Some((label, NatRule { address, kind, out }))
}

/// The first rule of each resource, and of each interface that it leaves by: one range may leave by several, each with a
/// rule.
#[derive(Default)]
struct Firsts(HashMap<(Address, Option<IfName>), usize>);

impl Firsts {
    /// Whether an earlier rule leaves this one nothing to do, and if so, whether it says the very same.
    fn hides(&mut self, rule: &NatRule) -> Option<bool> {
        let out = if matches!(rule.kind, NatKind::Dnat(..)) { None } else { rule.out.clone() };
        let everywhere = self.0.get(&(rule.address.clone(), None)).copied();
        let (number, key) = (self.0.len(), (rule.address.clone(), out));
        let same = *self.0.entry(key).or_insert(number);
        match everywhere {
            _ if same < number => Some(everywhere.is_none_or(|everywhere| same <= everywhere)),
            Some(_) => Some(false),
            None => None,
        }
    }
}

/// One forward for each protocol and family.
fn port_forward(scope: &mut Scope<'_>, written: &Spanned<file::PortForward>) -> Option<(Label, Vec<Forward>)> {
    let label = namespace_of(scope, written.namespace.as_ref())?;
    let listen = &written.listen;
    let to_ports = written.to.ports.unwrap_or(listen.ports);
    let families = match listen.address {
        Some(address) => vec![Family::of(address)],
        None => vec![Family::V4, Family::V6],
    };
    let mut targets = Vec::new();
    for family in families {
        targets.extend(target(scope, &label, &written.to, family)?);
    }
    if targets.is_empty() {
        return no_target(scope, &label, written);
    }
    let address = listen.address.filter(|address| !address.is_unspecified());
    let mut forwards = Vec::new();
    for protocol in &written.protocol {
        let rest = forward_rest(label.as_str(), protocol.value, listen.ports, address);
        forwards.extend(targets.iter().map(|to| Forward {
            address: Address::new(KindName::PortForward, rest.clone()),
            listen: address,
            protocol: protocol.value,
            ports: listen.ports,
            to: *to,
            to_ports,
        }));
    }
    Some((label, forwards))
}

/// The address of a forward's target in a family; `Some(None)` where it has none of that family.
fn target(
    scope: &mut Scope<'_>,
    label: &Label,
    to: &Spanned<file::ForwardTo>,
    family: Family,
) -> Option<Option<IpAddr>> {
    let name = match &to.target {
        Target::Address(address) => return Some((Family::of(*address) == family).then_some(*address)),
        Target::Namespace(name) => scope.namespace(&Spanned { value: name.clone(), span: to.span })?,
    };
    match &*scope.seen_from(label, &name, family) {
        [] => Some(None),
        [address] => Some(Some(*address)),
        several if !scope.gaps.knows(&name) => several.first().copied().map(Some),
        several => {
            let list: Vec<String> = several.iter().map(IpAddr::to_string).collect();
            let error =
                Diagnostic::error("forward::ambiguous", format!("`{name}` has several addresses that `{label}` sees"))
                    .at(to.span, "which of them?")
                    .help(format!("write one of them: {}", list.join(", ")));
            scope.error(error);
            None
        }
    }
}

/// Whether the target has any address that the forwarding namespace sees.
fn sees(scope: &Scope<'_>, label: &Label, name: &Label) -> bool {
    [Family::V4, Family::V6].into_iter().any(|family| !scope.seen_from(label, name, family).is_empty())
}

fn no_target<T>(scope: &mut Scope<'_>, label: &Label, written: &file::PortForward) -> Option<T> {
    let error = match &written.to.target {
        // An interface of either may be what is missing.
        Target::Namespace(name) if !(scope.gaps.knows(name) && scope.gaps.knows(label)) => return None,
        Target::Namespace(name) if sees(scope, label, name) => {
            let family = match written.listen.address.map(Family::of) {
                Some(Family::V6) => "IPv6",
                Some(Family::V4) | None => "IPv4",
            };
            Diagnostic::error("forward::no_target", format!("`{name}` has no {family} address that `{label}` sees"))
                .at(written.to.span, format!("no {family} address"))
                .at(written.listen.span, "is listened on")
                .help(format!(
                    "give `{name}` one on the segment that it shares with `{label}`, or listen on the other family"
                ))
        }
        Target::Namespace(name) => {
            let help = "plug both into one bridge or join them by a link, or write the target's address";
            let what = format!("`{label}` shares no segment with `{name}` on which it has an address");
            Diagnostic::error("forward::no_target", what).at(written.to.span, "not seen from there").help(help)
        }
        // Of the family that is not listened on, as the reader of the file has said.
        Target::Address(_) => return None,
    };
    scope.error(error);
    None
}

/// Who has a route beyond its own subnets, in which family.
fn beyond_their_subnets<'a>(routes: &'a [Route], gateways: &'a [Gateway]) -> HashSet<(&'a Netns, Family)> {
    let routes = routes.iter().map(|it| (&it.netns, Family::of(it.to.addr())));
    routes.chain(gateways.iter().flat_map(Gateway::served)).collect()
}

/// Whether a rule puts an address of the forwarding namespace in the place of others', so that a target answers to that.
fn hides_others(rule: &NatRule, target: IpAddr) -> bool {
    match &rule.kind {
        NatKind::Masquerade(range) | NatKind::Snat(range, _) => !range.contains(&target),
        NatKind::Dnat(..) => false,
    }
}

/// A target answers from where it is: without a route beyond its own subnets, only those on them and the forwarding
/// namespace itself, whose address it sees, get an answer.
fn warn_of_no_way_back(
    scope: &mut Scope<'_>,
    (at, forwards): (&Label, &[Forward]),
    written: &file::PortForward,
    is_answered: &dyn Fn(&Netns, &Forward) -> bool,
) {
    let outside = forwards.iter().filter(|it| it.listen.is_none_or(|listen| !listen.is_loopback()));
    let mut lost = outside.filter_map(|forward| {
        let label = scope.holders(forward.to, at).into_iter().next();
        let label = label.filter(|label| label.as_str() != HOST && *label != at)?;
        let answered = is_answered(&scope.netns(label), forward);
        (!answered && scope.gaps.knows_routes(label)).then(|| (label, forward.family()))
    });
    let Some((label, family)) = lost.next() else { return };
    let family = match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    let what = format!("`{label}` has no {family} route beyond its own subnets");
    let warning = Diagnostic::warning("forward::no_way_back", what)
        .at(written.to.span, "cannot answer who comes from outside")
        .help(format!("make its bridge a gateway, or give `{label}` a default route"));
    scope.error(warning);
}

fn listen_clash(
    scope: &mut Scope<'_>,
    other: &Forward,
    forward: &Forward,
    span: Span,
    places: &HashMap<Address, Span>,
) {
    // The common ports, as the file would write them.
    let (first, last) = (other.ports.0.max(forward.ports.0), other.ports.1.min(forward.ports.1));
    let ports = if first == last { format!("port {first} is") } else { format!("the ports {first}-{last} are") };
    let mut error =
        Diagnostic::error("forward::duplicate", format!("{ports} listened on twice")).at(span, "the second time");
    if let Some(first) = places.get(&other.address) {
        error = error.at(*first, "the first time");
    }
    scope.error(error.help("a port of an address leads to one target: change one, or listen on other addresses"));
}
