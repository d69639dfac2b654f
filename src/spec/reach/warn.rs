//! What is said of checks that cannot hold, and of those that hold against what they expect.

use std::net::IpAddr;

use foldhash::HashMap;

use super::{By, Direction, Judgement, Lab, Stop, Trace, Verdict, Why, lab::slot, sysctls};
use crate::{
    kind::{
        Topology,
        check::{Expect, Unpublished},
        sysctl,
    },
    model::{Diagnostic, Label, Netns, Span, Spanned},
    spec::file::{self, File, Target},
};

/// Warnings about the checks of a topology that was read from `file` without an error, so that the two are in one order,
/// by what is known of each. Most are no errors, since others may add to what the file makes.
pub fn warnings(lab: &Lab<'_>, topology: &Topology, file: &File, judged: &[Vec<Judgement>]) -> Vec<Diagnostic> {
    let places = Places::new(topology, file);
    let checks = topology.checks.iter().zip(&file.checks).zip(judged);
    let said = checks.filter_map(|((check, written), judged)| {
        let mut each = check.targets.iter().zip(judged);
        each.find_map(|(to, judged)| {
            let told = misdirected(lab, written, *to, judged);
            told.or_else(|| match check.expect {
                Expect::Reachable => unmet(lab, &places, written, *to, judged),
                Expect::Blocked => passed(written, *to, judged),
            })
        })
    });
    said.collect()
}

/// A probe that comes to another namespace than it seems to, as that one has the address as well.
fn misdirected(lab: &Lab<'_>, check: &file::Check, to: IpAddr, judged: &Judgement) -> Option<Diagnostic> {
    let taker = judged.taker.as_ref()?;
    let (from, holder) = (check.from.as_str(), taker.holder.as_deref()?);
    let at = check.to.span;
    match &check.to.target {
        Target::Namespace(name) if name.as_str() == holder => None,
        Target::Namespace(name) if from == holder => {
            let what = format!("`{from}` has {to} itself, so that its packets do not leave for `{name}`");
            let error =
                Diagnostic::error("check::own_address", what).at(at, format!("{to}, by the addresses of `{name}`"));
            Some(error.help(format!("let `{from}` have another address, or write one that `{name}` has alone")))
        }
        Target::Namespace(name) => {
            let what = format!("what `{from}` sends to {to} comes to `{holder}` and not to `{name}`: both have it");
            let warning =
                Diagnostic::warning("check::other_holder", what).at(at, format!("{to}, by the addresses of `{name}`"));
            Some(warning.help(format!("ask `{name}` at an address that leads to it, or mean `{holder}`")))
        }
        // By a loopback address, or where nobody else has it, it means itself.
        Target::Address(_) if from != holder || taker.label != from || check.by.is_some() => None,
        Target::Address(_) => {
            let other = lab.other_with(to, from)?;
            let what = format!("`{from}` has {to} itself, so that it answers and not `{other}`");
            let warning = Diagnostic::warning("check::own_address", what).at(at, format!("`{other}` has it too"));
            Some(warning.help(format!("ask from elsewhere; if `{from}` itself is meant, write its name here")))
        }
    }
}

/// What keeps a check from being answered.
fn unmet(
    lab: &Lab<'_>,
    places: &Places<'_>,
    check: &file::Check,
    to: IpAddr,
    judged: &Judgement,
) -> Option<Diagnostic> {
    match &judged.verdict {
        Verdict::Stopped(stop) => Some(unreachable(lab, places, check, to, stop)),
        Verdict::Reached { .. } | Verdict::Unknown if check.by.is_some() => None,
        Verdict::Reached { .. } | Verdict::Unknown => closed(judged).map(|it| unpublished(places, check, it)),
    }
}

/// What answers a check that wants no answer.
fn passed(check: &file::Check, to: IpAddr, judged: &Judgement) -> Option<Diagnostic> {
    match &judged.verdict {
        Verdict::Reached { there, certain: true, .. } if closed(judged).is_none() => {
            Some(not_blocked(check, to, there))
        }
        Verdict::Reached { .. } | Verdict::Stopped(_) | Verdict::Unknown => None,
    }
}

/// The port where a probe comes to, where nobody listens on it as it is published elsewhere.
fn closed(judged: &Judgement) -> Option<&Unpublished> {
    judged.taker.as_ref()?.unpublished.as_ref()
}

fn unpublished(places: &Places<'_>, check: &file::Check, it: &Unpublished) -> Diagnostic {
    let Unpublished { label, port, instead } = it;
    let by = places.file.pair(check.to.span, "by", &label.as_str().into());
    Diagnostic::warning("check::unpublished", format!("`{label}` publishes port {port} {instead} alone"))
        .at(check.to.span, "not at this address")
        .help(format!(
            "let the port forward serve it, or ask where it does; if `{label}` itself answers here, say so with {by}"
        ))
}

fn unreachable(lab: &Lab<'_>, places: &Places<'_>, check: &file::Check, to: IpAddr, stop: &Stop) -> Diagnostic {
    let (from, at, reason) = (&check.from, stop.trace.end(), stop.reason());
    let alone = stop.trace.hops.len() < 2;
    let (what, way) = match stop.direction {
        Direction::There if alone => (
            format!("`{from}` cannot reach {to}: the packet does not leave `{at}`, {reason}"),
            "cannot hold as the file is".to_owned(),
        ),
        Direction::There => (
            format!("`{from}` cannot reach {to}: the packet stops at `{at}`, {reason}"),
            format!("goes {}", stop.trace),
        ),
        Direction::Back if alone => (
            format!("`{from}` gets no answer from {to}: it does not leave `{at}`, {reason}"),
            "cannot hold as the file is".to_owned(),
        ),
        Direction::Back => (
            format!("`{from}` gets no answer from {to}: it stops at `{at}`, {reason}"),
            format!("the answer goes {}", stop.trace),
        ),
    };
    let warning = Diagnostic::warning("check::unreachable", what).at(check.to.span, way);
    let warning = match places.cause(stop) {
        Some((span, text)) => warning.at(span, text),
        None => warning,
    };
    warning.help(help(lab, places, stop))
}

fn not_blocked(check: &file::Check, to: IpAddr, there: &Trace) -> Diagnostic {
    let what = format!("`{}` reaches {to}, which this check wants blocked", check.from);
    let way = match there.hops.as_slice() {
        [_] => "an address of its own".to_owned(),
        _ => format!("goes {there}, and back"),
    };
    let warning = Diagnostic::warning("check::not_blocked", what).at(check.to.span, way);
    warning.help("nothing in the file stops it: take away a route or `forwarding` on that way, unless rules of your own block it")
}

/// What to do about it.
fn help(lab: &Lab<'_>, places: &Places<'_>, stop: &Stop) -> String {
    let at = stop.trace.end();
    let net = lab.subnet_of(stop.destination).map_or_else(|| stop.destination.to_string(), |net| net.to_string());
    // Whoever asks has its own address: only a nat rule puts another in its place.
    if stop.direction == Direction::Back && !lab.is_held(stop.destination) {
        return format!(
            "a nat rule puts {net} in the place of who asks, and nobody has it: translate to an address of the router"
        );
    }
    match &stop.why {
        Why::NobodyHas { device, .. } if places.down.contains_key(&(at, device.as_str())) => {
            "let it be up: a bridge that is down passes nothing on".to_owned()
        }
        Why::NoRoute if !lab.is_connected(at) => format!("plug `{at}` into a bridge, or join it to a router by a link"),
        Why::NoRoute => {
            let back = if stop.direction == Direction::Back { "back " } else { "" };
            format!(
                "`{at}` needs a route {back}to {net}: give it one, or a default route, or make a gateway of a router on its segment"
            )
        }
        Why::NotForwarding(_) => format!("write `forwarding: true` for `{at}`, which makes it a router"),
        Why::DoesNotForward(device) => {
            format!("remove that sysctl of `{device}`, or let the packets come in by another device of `{at}`")
        }
        Why::ReversePath { device, source } => format!(
            "let `{at}` have a route to {source} by its `{device}`, or turn the filter to 2, which asks for any route; `all` \
             and a device's own count, and the higher one is taken"
        ),
        Why::Mute(_) => "remove that sysctl, or ask a port instead, with `tcp` or `udp`".to_owned(),
        Why::Dropped(..) => format!("remove that route, or give `{at}` one to {net} that leads on"),
        Why::NobodyHas { next, .. } if *next == stop.destination => {
            "give the address to somebody there, or write one that is there".to_owned()
        }
        Why::NobodyHas { .. } => "write the address of a router that is on that segment".to_owned(),
        Why::DeviceDown(_) | Why::NoCarrier(_) => "an interface works while both ends of its link are up".to_owned(),
        Why::NoIpv6 => "write an IPv4 address, or let the lab have IPv6".to_owned(),
        Why::LoopbackDown => format!("remove `loopback: false` of `{at}`: what it sends to itself goes by its lo"),
        Why::Loop(_) => {
            format!("two routers send it to each other: let one of them have a route to {net} that leads on")
        }
    }
}

/// Where the file says what a packet meets.
struct Places<'f> {
    file: &'f File,
    /// By the place of a route among the topology's.
    routes: Vec<&'f Spanned<file::Route>>,
    /// `up: false` that takes a device's carrier, or takes it down itself.
    down: HashMap<(&'f str, &'f str), Span>,
}

impl<'f> Places<'f> {
    fn new(topology: &'f Topology, file: &'f File) -> Self {
        let label = |netns: &'f Netns| match netns {
            Netns::Host => "host",
            Netns::Named(name) => name.strip_prefix(&*topology.prefix).unwrap_or(name),
        };
        let bridges = topology.bridges.iter().zip(file.bridges.values());
        let off = |up: &Option<Spanned<bool>>| up.as_ref().filter(|up| !up.value).map(|up| up.span);
        let bridges = bridges
            .filter_map(|(bridge, written)| Some(((label(&bridge.netns), bridge.device.as_str()), off(&written.up)?)));
        let mut down: HashMap<_, Span> = bridges.collect();
        let mut ends = Vec::new();
        for (link, written) in topology.links.iter().zip(&file.links) {
            let [one, other] = link.ends.as_slice() else { continue };
            let [first, second] = &written.endpoints;
            for (near, near_written, far, far_written) in [(one, first, other, second), (other, second, one, first)] {
                let bridge = far.bridge.as_deref().and_then(|bridge| down.get(&(label(&far.netns), bridge)).copied());
                let span = off(&near_written.up).or_else(|| off(&far_written.up)).or(bridge);
                ends.extend(span.map(|span| ((label(&near.netns), near.device.as_str()), span)));
            }
        }
        down.extend(ends);
        Self { file, routes: file.namespaces.values().flat_map(|it| &it.routes).collect(), down }
    }

    /// The place that explains a stop, with a few words.
    fn cause(&self, stop: &Stop) -> Option<(Span, String)> {
        let at = stop.trace.end();
        let (key, spec) = self.namespace(at)?;
        match &stop.why {
            Why::NoRoute => Some((key, format!("has no route to {}", stop.destination))),
            Why::NotForwarding(_) => match &spec.forwarding {
                Some(forwarding) => Some((forwarding.span, "turned off here".to_owned())),
                None => Some((key, "is no router".to_owned())),
            },
            Why::DoesNotForward(device) => written(spec, &[sysctls::forwarding_of(device)]),
            Why::ReversePath { device, .. } => {
                written(spec, &[device.as_str(), "all", "default"].map(sysctls::filter_of))
            }
            Why::Mute(family) => {
                let key = sysctls::MUTE.get(slot(*family))?;
                written(spec, &[(*key).to_owned()])
            }
            Why::Dropped(place, _) => Some((self.routes.get(*place)?.to.span, "dropped by this route".to_owned())),
            Why::NobodyHas { by, device, .. } => match self.down.get(&(at, device.as_str())) {
                Some(down) => Some((*down, "down by this".to_owned())),
                None => self.way(*by, "sent there by this"),
            },
            Why::Loop(by) => self.way(*by, "sent round by this, among others"),
            Why::DeviceDown(device) | Why::NoCarrier(device) => {
                Some((*self.down.get(&(at, device.as_str()))?, "down by this".to_owned()))
            }
            Why::NoIpv6 => None,
            Why::LoopbackDown => Some((spec.loopback.as_ref()?.span, "turned off here".to_owned())),
        }
    }

    fn way(&self, by: By, text: &str) -> Option<(Span, String)> {
        let span = match by {
            By::Subnet => None,
            By::Route(place) => self.routes.get(place).map(|it| it.via.as_ref().map_or(it.to.span, |via| via.span)),
            By::Gateway(place) => self.file.gateways.get(place).map(|it| it.span),
        };
        Some((span?, text.to_owned()))
    }

    fn namespace(&self, label: &str) -> Option<(Span, &'f file::Namespace)> {
        let label = Spanned { value: label.parse::<Label>().ok()?, span: Span::default() };
        self.file.namespaces.get_key_value(&label).map(|(key, spec)| (key.span, spec))
    }
}

/// The place of the first of these sysctls, by their paths, that a namespace has in the file.
fn written(spec: &file::Namespace, paths: &[String]) -> Option<(Span, String)> {
    let find = |path: &String| spec.sysctls.keys().find(|key| sysctl::path_of_key(key) == *path);
    Some((paths.iter().find_map(find)?.span, "by this sysctl".to_owned()))
}
