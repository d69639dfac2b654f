//! What is known while a file is resolved: names, interfaces and the segments that they are on.

use std::{collections::BTreeMap, str::FromStr};

use foldhash::{HashMap, HashSet};
use indexmap::IndexMap;
use ipnet::IpNet;
use smol_str::format_smolstr;

use super::{
    HOST,
    gaps::Gaps,
    index::{Index, Settled},
    links::bridge_label,
    names::Known,
};
use crate::{
    kind::sysctl::path_of_key,
    model::{Diagnostic, Diagnostics, IfName, Label, Netns, Span, Spanned, TopologyName, name::IFNAME_MAX},
    spec::{
        WORDS_MAX,
        file::{self, End, File, Link},
    },
};

mod look;

/// One end of one link: the link's place in the file, and 0 or 1.
pub type EndId = (usize, usize);

/// A device of a namespace that the file names.
#[derive(Debug, Clone)]
pub struct Interface {
    /// How the file calls it.
    pub name: String,
    /// Its name in the kernel.
    pub device: IfName,
    /// Its addresses, automatic ones included.
    pub addresses: Vec<IpNet>,
    /// Whether its addresses are left to others.
    pub unmanaged: bool,
    /// Whether it is to be up.
    pub up: bool,
    /// What it is.
    pub what: What,
    /// Which of the segments it is on.
    pub segment: Option<usize>,
    /// Where the file names it.
    pub span: Span,
}

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum What {
    /// The loopback.
    Loopback,
    /// A bridge.
    Bridge(Label),
    /// An end of a link that is no bridge's port.
    End(EndId),
    /// A bridge's port.
    Port(EndId, Label),
}

/// What shares one layer-2 network: a bridge with all its ports, or one veth pair.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// The bridge, where it is one's.
    pub bridge: Option<Label>,
    /// Where automatic addresses come from, each once.
    pub subnets: Vec<Spanned<IpNet>>,
    /// Whether the bridge is somebody else's.
    pub external: bool,
}

impl Segment {
    /// The networks of what is written, each once.
    pub fn subnets(written: impl IntoIterator<Item = Spanned<IpNet>>) -> Vec<Spanned<IpNet>> {
        let mut seen = HashSet::default();
        written.into_iter().map(|net| net.map(|net| net.trunc())).filter(|net| seen.insert(net.value)).collect()
    }
}

/// Everything that is known so far.
pub struct Scope<'f> {
    /// The file.
    pub file: &'f File,
    /// The topology's name.
    pub name: TopologyName,
    /// What precedes kernel names.
    pub prefix: String,
    /// What has been found wrong.
    pub diagnostics: Diagnostics,
    /// What is not known.
    pub gaps: Gaps<'f>,
    /// Namespaces of the file, `host` included.
    pub namespaces: BTreeMap<Label, ()>,
    /// Bridges of the file.
    pub bridges: BTreeMap<Label, ()>,
    /// Interfaces by namespace, in the order of names; those of each in file order.
    pub interfaces: IndexMap<Label, Vec<Interface>, foldhash::fast::RandomState>,
    /// All segments.
    pub segments: Vec<Segment>,
    /// The segment of each bridge.
    pub segment_of_bridge: HashMap<Label, usize>,
    /// The ends that are written to plug into each bridge, in file order.
    pub ports: HashMap<&'f Label, Vec<(&'f Link, &'f End)>>,
    /// What the file sets by sysctls in each namespace, by their paths; of one that is set twice, the first.
    sysctls: HashMap<Label, HashMap<String, &'f str>>,
    /// What has been looked for among the known names.
    pub known: Known,
    index: Index,
    settled: Settled,
}

impl<'f> Scope<'f> {
    /// Nothing known but the file.
    pub fn new(file: &'f File) -> Self {
        Self {
            file,
            name: file.name.value.clone(),
            prefix: file.prefix.as_ref().map_or_else(String::new, |prefix| prefix.value.clone()),
            diagnostics: Diagnostics::default(),
            gaps: Gaps::new(&file.lost),
            namespaces: BTreeMap::new(),
            bridges: BTreeMap::new(),
            interfaces: IndexMap::default(),
            segments: Vec::new(),
            segment_of_bridge: HashMap::default(),
            ports: ports(file),
            sysctls: sysctls(file),
            known: Known::default(),
            index: Index::default(),
            settled: Settled::default(),
        }
    }

    /// The label of the host.
    pub fn host() -> Label {
        Label::host()
    }

    /// Enters namespaces and bridges: one name space for both.
    pub fn enter_names(&mut self) {
        let file = self.file;
        self.namespaces.insert(Self::host(), ());
        for name in file.namespaces.keys() {
            self.namespaces.insert(name.value.clone(), ());
        }
        for label in self.namespaces.keys() {
            let spec = self.spec(label);
            let addresses = spec.and_then(|spec| spec.addresses.as_ref());
            let addresses: Option<Vec<IpNet>> = addresses.map(|list| list.iter().map(|net| net.value).collect());
            let lo = Interface {
                name: "lo".into(),
                device: IfName::lo(),
                unmanaged: addresses.is_none(),
                addresses: addresses.unwrap_or_default(),
                up: spec.and_then(|spec| spec.loopback.as_ref()).is_none_or(|it| it.value),
                what: What::Loopback,
                segment: None,
                span: Span::default(),
            };
            self.interfaces.insert(label.clone(), vec![lo]);
        }
        for name in file.bridges.keys() {
            if name.as_str() == HOST {
                let error = Diagnostic::error("name::reserved", "`host` is the namespace that the tool runs in")
                    .at(name.span, "a bridge cannot be called so")
                    .help("choose another name; `interface` gives the device one of its own");
                self.error(error);
            } else if let Some((other, _)) = file.namespaces.get_key_value(name) {
                let error =
                    Diagnostic::error("name::duplicate", format!("`{}` is a namespace and a bridge", name.value))
                        .at(name.span, "the bridge")
                        .at(other.span, "the namespace")
                        .help("namespaces and bridges share one name space, since links name either; rename one");
                self.error(error);
                // Which of the two is meant by a link is not known.
                self.gaps.concern_everyone();
            }
            self.bridges.insert(name.value.clone(), ());
        }
    }

    /// A key with its value as the file at `at` would write it, for help: an included one may be of another notation.
    pub fn pair(&self, at: Span, key: &str, value: impl Into<serde_json::Value>) -> String {
        self.file.pair(at, key, &value.into())
    }

    /// Says an error or a warning, unless too many have been said.
    pub fn error(&mut self, diagnostic: Diagnostic) {
        crate::spec::report(&mut self.diagnostics, diagnostic);
    }

    /// How the file calls a namespace.
    pub fn label(&self, netns: &Netns) -> Label {
        let name = netns.as_str();
        let label = name.strip_prefix(&self.prefix).and_then(|name| name.parse().ok());
        label.filter(|label| *netns != Netns::Host && self.namespaces.contains_key(label)).unwrap_or_else(Self::host)
    }

    /// Where a namespace of the file is in the kernel.
    pub fn netns(&self, label: &Label) -> Netns {
        if label.as_str() == HOST { Netns::Host } else { Netns::Named(format_smolstr!("{}{label}", self.prefix)) }
    }

    /// What the file says of a namespace.
    pub fn spec(&self, label: &Label) -> Option<&'f file::Namespace> {
        self.file.namespaces.get(&Spanned { value: label.clone(), span: Span::default() })
    }

    /// What the file writes into the sysctls of a namespace, by their paths, where it writes any.
    pub fn sysctls(&self, label: &Label) -> Option<&HashMap<String, &'f str>> {
        self.sysctls.get(label)
    }

    /// Where the file turns IPv6 off in the whole lab.
    pub fn ipv6_off(&self) -> Option<Span> {
        self.file.ipv6.filter(|on| !on.value).map(|on| on.span)
    }

    /// What the file says of a bridge.
    pub fn bridge_spec(&self, label: &Label) -> Option<&'f file::Bridge> {
        self.file.bridges.get(&Spanned { value: label.clone(), span: Span::default() })
    }

    /// Checks that `label` is a namespace.
    pub fn namespace(&mut self, label: &Spanned<Label>) -> Option<Label> {
        if self.namespaces.contains_key(&label.value) {
            return Some(label.value.clone());
        }
        if !self.gaps.knows_names() {
            return None;
        }
        let mut error = self.known.undefined("namespace", label, &[&self.namespaces]);
        if self.bridges.contains_key(&label.value) {
            error.help = Some(format!("`{}` is a bridge; a namespace is needed here", label.value));
        }
        let error = self.taken_out(label, error);
        self.error(error);
        None
    }

    /// Checks that `label` is a bridge.
    pub fn bridge(&mut self, label: &Spanned<Label>) -> Option<Label> {
        if self.bridges.contains_key(&label.value) {
            return Some(label.value.clone());
        }
        if !self.gaps.knows_names() {
            return None;
        }
        let mut error = self.known.undefined("bridge", label, &[&self.bridges]);
        if self.namespaces.contains_key(&label.value) {
            error.help = Some(format!("`{}` is a namespace; a bridge is needed here", label.value));
        }
        let error = self.taken_out(label, error);
        self.error(error);
        None
    }

    /// Says that `label` is neither a namespace nor a bridge.
    pub fn neither(&mut self, label: &Spanned<Label>) {
        let error = self.known.undefined("namespace or bridge", label, &[&self.namespaces, &self.bridges]);
        let error = self.taken_out(label, error);
        self.error(error);
    }

    /// Says of a name that is not defined where it was taken out.
    fn taken_out(&self, label: &Label, error: Diagnostic) -> Diagnostic {
        match self.file.taken_out.get(label.as_str()) {
            Some(when) => error.at(*when, "taken out here").help("give what names it the same `when`"),
            None => error,
        }
    }

    /// The device name of an interface that the file calls `name` in `namespace`: the prefix precedes those in the host.
    pub fn device(&mut self, namespace: &Label, name: &str, span: Span) -> Option<IfName> {
        let device = if namespace.as_str() == HOST { format!("{}{name}", self.prefix) } else { name.to_owned() };
        match IfName::from_str(&device) {
            Ok(device) => Some(device),
            Err(reason) => {
                let error = Diagnostic::error("name::interface", format!("the interface name `{device}` {reason}"))
                    .at(span, "this name")
                    .help(self.shorter(device.len() - name.len()));
                self.error(error);
                None
            }
        }
    }

    /// How long a name may be that has so many bytes of prefix in front.
    fn shorter(&self, prefix: usize) -> String {
        match IFNAME_MAX.saturating_sub(prefix) {
            _ if prefix == 0 => "choose a shorter one; a bridge takes its device's name as `interface`".to_owned(),
            0 => format!("the prefix `{}` leaves nothing for it: choose a shorter prefix", self.prefix),
            left => format!("the prefix `{}` leaves {left} bytes for it", self.prefix),
        }
    }

    /// Enters an interface; two of one name in one namespace are a clash.
    pub fn enter(&mut self, namespace: &Label, interface: Interface) {
        if interface.device.as_str() == "lo" {
            let error = Diagnostic::error("name::duplicate", format!("`{namespace}` has an interface `lo` already"))
                .at(interface.span, "the loopback's name")
                .help("every namespace has a loopback called `lo`; choose another name");
            self.gaps.concern(namespace);
            return self.error(error);
        }
        if let Some(other) = self.at_device(namespace, interface.device.as_str()) {
            let what = format!("two interfaces are called `{}` in `{namespace}`", interface.device);
            let made_up = matches!(interface.what, What::Port(..));
            let help = if made_up { "give one of them another name with `interface`" } else { "rename one of them" };
            let error = Diagnostic::error("name::duplicate", what)
                .at(interface.span, "the second one")
                .at(other.span, "the first one")
                .help(help);
            self.gaps.concern(namespace);
            return self.error(error);
        }
        let entry = self.interfaces.entry(namespace.clone());
        let number = entry.index();
        let list = entry.or_default();
        list.push(interface);
        self.index.insert(number, list);
    }

    /// Takes note of who is where, and has which address: from here on nothing of that changes.
    pub fn settle(&mut self) {
        let written = self.file.namespaces.keys().map(|key| &key.value);
        let host = Self::host();
        let unwritten = (!self.file.namespaces.keys().any(|label| label.value == host)).then_some(&host);
        let mut settled = Settled::default();
        for (number, interfaces) in written.chain(unwritten).filter_map(|label| self.numbered(label)) {
            settled.insert(number, interfaces);
        }
        self.settled = settled;
    }

    /// Says that `namespace` has no interface of that name.
    pub fn no_interface(&mut self, namespace: &Label, name: &str, span: Span) {
        if !self.gaps.knows(namespace) {
            return;
        }
        let names = self.interfaces.get(namespace).into_iter().flatten().map(|it| it.name.as_str());
        let help = match self.known.nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            // More would be cut from the message.
            None => format!("it has: {}", names.take(WORDS_MAX / 3).collect::<Vec<_>>().join(", ")),
        };
        let error = Diagnostic::error("name::undefined", format!("`{namespace}` has no interface `{name}`"));
        self.error(error.at(span, "not defined").help(help));
    }
}

/// The ends that are written to plug into each bridge.
fn ports(file: &File) -> HashMap<&Label, Vec<(&Link, &End)>> {
    let mut ports: HashMap<&Label, Vec<(&Link, &End)>> = HashMap::default();
    let ends = file.links.iter().flat_map(|link| link.endpoints.iter().map(move |end| (link, &end.value)));
    for (link, end) in ends {
        if let Some(bridge) = bridge_label(end) {
            ports.entry(bridge).or_default().push((link, end));
        }
    }
    ports
}

/// The sysctls of each namespace that has some in the file.
fn sysctls(file: &File) -> HashMap<Label, HashMap<String, &str>> {
    let mut sysctls = HashMap::default();
    for (label, spec) in file.namespaces.iter().filter(|(_, spec)| !spec.sysctls.is_empty()) {
        // Of two that are one, the first stays.
        let paths = spec.sysctls.iter().rev().map(|(key, value)| (path_of_key(key), value.as_str()));
        sysctls.insert(label.value.clone(), paths.collect());
    }
    sysctls
}
