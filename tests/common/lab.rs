//! Topologies on a fake kernel, from text to state and back: the whole pure path, and the executor's part of it.
//! Included with `#[path]`, since not every test needs all.

use std::collections::HashMap;

use netwright::{
    diff::Choices,
    kernel::{Kernel, fake::Fake},
    kind::{Topology, made::Made},
    model::{Address, Netns, TopologyName, mark::PARK_GROUP},
    observe,
    op::{LinkRef, Op, table_key},
    plan::{Inputs, Prepared, build},
    report::{
        diagnostic::{Style, render},
        plan::has_errors,
    },
    spec::{self, Format, resolve},
};

/// A topology from its text; what is wrong with it, drawn, where it is none.
pub fn topology(text: &str, name: &str) -> Result<Topology, String> {
    let format = Format::of_path(name).ok_or("a file ending that tells no format")?;
    let (source, file, mut diagnostics) = spec::parse(text.as_bytes(), name, format);
    let mut topology = None;
    if let Some(file) = file.filter(|_| !diagnostics.has_errors()) {
        let (resolved, more) = resolve::resolve(&file);
        diagnostics.0.extend(more.0);
        topology = resolved;
    }
    topology.ok_or_else(|| render(&diagnostics, &[source], Style::default()))
}

/// One machine, and what the tool remembers there.
#[derive(Debug, Clone)]
pub struct Lab {
    pub fake: Fake,
    pub memo: HashMap<TopologyName, Vec<Address>>,
}

impl Lab {
    pub fn new(fake: Fake) -> Self {
        Self { fake, memo: HashMap::new() }
    }

    pub fn plan(&self, name: &TopologyName, topology: Option<&Topology>, choices: &Choices) -> Prepared {
        let snapshot = self.fake.read(&observe::request(topology)).expect("the fake can always be read");
        let addresses = self.memo.get(name).cloned().unwrap_or_default();
        let memo = Made { addresses, ..Made::default() };
        build(&Inputs { name, topology, snapshot: &snapshot, memo: &memo, choices })
    }

    /// Plans and runs; an error tells what was in the way.
    pub fn apply(&mut self, name: &TopologyName, topology: Option<&Topology>) -> Result<Prepared, String> {
        self.apply_with(name, topology, &Choices::default())
    }

    pub fn apply_with(
        &mut self,
        name: &TopologyName,
        topology: Option<&Topology>,
        choices: &Choices,
    ) -> Result<Prepared, String> {
        let prepared = self.plan(name, topology, choices);
        if has_errors(&prepared.plan) {
            return Err(format!("the plan has errors: {:#?}", prepared.plan.findings));
        }
        let mut done = String::new();
        for batch in prepared.batches.iter().chain(&prepared.ends) {
            for step in &batch.steps {
                let line = format!("{} {}: {}\n", batch.netns, step.address, words(&step.op));
                self.check(&batch.netns, &step.op).map_err(|why| format!("{why} before\n{done}{line}"))?;
                done.push_str(&line);
                let one = netwright::op::Batch { netns: batch.netns.clone(), steps: vec![step.clone()] };
                self.fake.run(&one).map_err(|error| format!("{error} after\n{done}"))?;
            }
        }
        let routes = topology.iter().flat_map(|it| &it.routes).map(|route| route.address()).collect();
        self.memo.insert(name.clone(), routes);
        Ok(prepared)
    }

    /// A device is told by its index; the name beside it must be the one that it has in that moment.
    fn check(&self, netns: &Netns, op: &Op) -> Result<(), String> {
        let (Op::LinkSet { link, .. }
        | Op::LinkDelete { link }
        | Op::AddressAdd { link, .. }
        | Op::AddressDelete { link, .. }
        | Op::PortBorrow { link, .. }
        | Op::PortGiveBack { link, .. }) = op
        else {
            return Ok(());
        };
        let LinkRef { index, name } = link;
        let there = self.fake.state.namespaces.get(netns).and_then(|state| state.link_at(*index));
        match there {
            // Told by the name that it had.
            Some(there) if there.group == PARK_GROUP && matches!(op, Op::LinkDelete { .. }) => Ok(()),
            Some(there) if there.name == *name => Ok(()),
            // With a namespace that is let go went the other ends of its veths.
            None if matches!(op, Op::LinkDelete { .. }) => Ok(()),
            Some(there) => Err(format!("index {index} in {netns} is `{}`, not `{name}`", there.name)),
            None => Err(format!("there is no index {index} (`{name}`) in {netns}")),
        }
    }
}

/// One op in a few words.
pub fn words(op: &Op) -> String {
    match op {
        Op::NetnsCreate { mark } => format!("create the namespace, marked {mark}"),
        Op::NetnsDelete => "delete the namespace".into(),
        Op::BridgeCreate { index, name, mac, mtu, stp, ageing_time } => {
            let mut text = format!("create bridge {name}#{index}");
            part(&mut text, "mac", mac);
            part(&mut text, "mtu", mtu);
            part(&mut text, "stp", stp);
            part(&mut text, "ageing", ageing_time);
            text
        }
        Op::VethCreate { end, peer, peer_netns, queues } => {
            let one = |end: &netwright::op::NewEnd| {
                let mut text = format!("{}#{}", end.name, end.index);
                part(&mut text, "mac", &end.mac);
                part(&mut text, "mtu", &end.mtu);
                text
            };
            let mut text = format!("create veth {} and {} in {peer_netns}", one(end), one(peer));
            part(&mut text, "queues", queues);
            text
        }
        Op::BridgeUp { link } => format!("raise {}", at(link)),
        Op::LinkSet { link, change } => {
            let mut text = format!("set {}{}", at(link), if op.parks() { " aside" } else { "" });
            part(&mut text, "name", &change.rename);
            part(&mut text, "mac", &change.mac);
            part(&mut text, "mtu", &change.mtu);
            part(&mut text, "master", &change.master);
            part(&mut text, "hairpin", &change.hairpin);
            part(&mut text, "stp", &change.stp);
            part(&mut text, "ageing", &change.ageing_time);
            part(&mut text, "alias", &change.alias);
            part(&mut text, "group", &change.group.filter(|_| !op.parks()));
            part(&mut text, "up", &change.up);
            text
        }
        Op::NetnsPark { .. } => "set the namespace aside".into(),
        Op::NetnsUnpark { .. } => "give the namespace its name back".into(),
        Op::NetnsDrop { .. } => "let the namespace go".into(),
        Op::AddressPutBack { link, address } => format!("put {} back on {}", address.address, at(link)),
        Op::RoutePutBack { route } => format!("put the route to {} back", route.to),
        Op::RecordPutBack { key, user, .. } => format!("put the part of {user} in the record of {key} back"),
        Op::PortPutBack { link, .. } => format!("make the port {} what it was", at(link)),
        Op::LinkDelete { link } => format!("delete {}", at(link)),
        Op::AddressAdd { link, address, .. } => format!("add {address} to {}", at(link)),
        Op::AddressDelete { link, address } => format!("take {address} from {}", at(link)),
        Op::RouteAdd { route, replace } => {
            format!("{} route {}", if *replace { "replace" } else { "add" }, route_words(route))
        }
        Op::RouteDelete { route } => format!("delete route {}", route_words(route)),
        Op::SysctlSet { key, value } => format!("write {key} = {value}"),
        Op::SysctlBorrow { key, value, before, along, user } => {
            let along: Vec<String> = along.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("borrow {key} = {value} for {user}, was {before} [{}]", along.join(" "))
        }
        Op::SysctlGiveBack { key, user } => format!("give {key} back for {user}"),
        Op::PortBorrow { link, master, before, user } => {
            let before = before.as_deref().unwrap_or("none");
            format!("borrow port {} for {user}, master {master}, was {before}", at(link))
        }
        Op::PortGiveBack { link, user } => format!("give port {} back for {user}", at(link)),
        Op::TableBorrow { family, table, user } => format!("note {} for {user}", table_key(*family, *table)),
        Op::TableGiveBack { family, table, user } => format!("give back {} of {user}", table_key(*family, *table)),
        Op::TableDrop { family, table } => format!("remove {}", table_key(*family, *table)),
        Op::FirewallLoad { variant, family, table, script } => {
            let head = format!("load {variant:?} {family:?} {table:?}").to_lowercase();
            script.lines().fold(head, |text, line| text + "\n    " + line)
        }
        Op::FlushFlows { flows } => format!("flush {} kinds of flows", flows.len()),
    }
}

fn at(link: &LinkRef) -> String {
    format!("{}#{}", link.name, link.index)
}

fn part(text: &mut String, name: &str, value: &Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        text.push_str(&format!(" {name}={value}"));
    }
}

fn route_words(route: &netwright::op::RouteOp) -> String {
    let mut text = format!("{}", route.to);
    if route.kind != Default::default() {
        text.push_str(&format!(" {:?}", route.kind).to_lowercase());
    }
    for hop in &route.nexthops {
        part(&mut text, "via", &hop.via);
        part(&mut text, "dev", &hop.link.map(|index| format!("#{index}")));
        part(&mut text, "weight", &(route.nexthops.len() > 1).then_some(hop.weight));
        text.push_str(if hop.onlink { " onlink" } else { "" });
    }
    part(&mut text, "src", &route.src);
    part(&mut text, "mtu", &route.mtu);
    text.push_str(&format!(" table={} metric={} protocol={}", route.table, route.metric, route.protocol));
    text
}
