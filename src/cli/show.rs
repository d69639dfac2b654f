//! `show`: a running lab, or a saved plan.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;

use super::{Exit, Failure, args, list, load, out, plan};
use crate::{
    exec::memo,
    kernel::{Kernel, Live},
    kind::route::{is_static, protocol_name, strangers_device},
    model::{
        Netns, Snapshot, TopologyName,
        mark::ADDRESS_PROTOCOL,
        snapshot::{LinkState, ReadRequest, RouteState},
    },
    observe,
    plan::saved::{NETWRIGHT_VERSION, SavedPlan},
    report::{
        plan::View,
        show::{self, Lab, Resource},
        stale,
        style::clean,
    },
};

/// Runs the verb.
pub fn run(args: &args::Show) -> Result<Exit, Failure> {
    if let Some(path) = args.operand.as_deref().filter(|path| path.is_file()) {
        return show_plan(path, args.json);
    }
    Live::check().map_err(Failure::new)?;
    let kernel = Live::new().map_err(Failure::new)?;
    let snapshot = kernel.read(&observe::request(None)).map_err(Failure::new)?;
    let name = name(args.operand.as_deref(), &snapshot)?;
    let snapshot = kernel.read(&settings_of(&name)).map_err(Failure::new)?;
    let (summary, everything) = list::summary(&name, &snapshot)?;
    if everything.plan.changes.is_empty() {
        return Err(Failure::new(format!("no topology `{name}` has anything on this host")));
    }
    // A plan to destroy names what needs others first; to read of it, those others come first.
    let resources = everything.plan.changes.iter().rev().map(Resource::from_delete).collect();
    let lab = Lab { summary, resources, foreign: foreign(&name, &snapshot) };
    if args.json {
        out::line(format_args!("{:#}", show::show_json(&lab)))?;
    } else {
        out::print(show::show(&lab))?;
    }
    Ok(Exit::Done)
}

/// What to read beside the marks: the settings that the topology names, as far as it is remembered.
fn settings_of(name: &TopologyName) -> ReadRequest {
    let applied =
        memo::load(name).and_then(|memo| load::restore(&memo.source, name)).and_then(|loaded| loaded.topology);
    ReadRequest { firewalls: BTreeMap::new(), ..observe::request(applied.as_ref()) }
}

/// The named topology; the only one of this host where none is named.
fn name(operand: Option<&Path>, snapshot: &Snapshot) -> Result<TopologyName, Failure> {
    if let Some(operand) = operand {
        let text = operand.to_string_lossy();
        return text
            .parse()
            .map_err(|why| Failure::new(format!("`{text}` is neither a file nor a topology's name: it {why}")));
    }
    let mut names = observe::topologies(snapshot);
    names.extend(memo::names());
    match names.len() {
        1 => names.pop_first().ok_or(Failure::Said),
        0 => Err(Failure::new("no topology owns anything on this host")),
        _ => {
            let names: Vec<&str> = names.iter().map(TopologyName::as_str).collect();
            Err(Failure::new(format!("there are several topologies on this host; name one: {}", names.join(", "))))
        }
    }
}

/// What others have inside the topology's namespaces: left alone, and said.
fn foreign(name: &TopologyName, snapshot: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    for (netns, state) in snapshot.namespaces.iter().filter(|(netns, _)| **netns != Netns::Host) {
        if !state.is_of(name) {
            continue;
        }
        let theirs = |link: &&LinkState| link.name != "lo" && link.mark().is_none();
        let devices = state.links.iter().filter(theirs).map(|link| format!("device {}", link.name));
        let addresses = state.addresses.iter().filter_map(|it| {
            let link = state.link_at(it.link).filter(|link| link.mark().is_some() && link.name != "lo")?;
            let others = it.protocol != ADDRESS_PROTOCOL && !it.link_local;
            others.then(|| format!("address {} on {}", it.address, link.name))
        });
        let of_programs = |it: &&RouteState| it.protocol > PROTOCOL_KERNEL && !is_static(it.protocol);
        let routes = state.routes.iter().filter(of_programs);
        let routes = routes.map(|it| format!("route to {} (protocol {})", it.to, protocol_name(it.protocol)));
        let by_theirs = state.routes.iter().filter_map(|it| {
            let link = strangers_device(it, state, &|link| !theirs(&link))?;
            Some(format!("route to {} by {}", it.to, link.name))
        });
        let all = devices.chain(addresses).chain(routes).chain(by_theirs);
        lines.extend(all.map(|what| format!("{netns}: {what} is not of this topology")));
        let aliases = snapshot.aliases.iter().filter(|(_, of)| *of == netns);
        lines.extend(
            aliases.map(|(alias, _)| format!("{netns}: the name {alias}, which it has too, is not of this topology")),
        );
    }
    lines
}

/// `RTPROT_KERNEL`: the routes that addresses bring.
const PROTOCOL_KERNEL: u8 = 2;

fn show_plan(path: &Path, json: bool) -> Result<Exit, Failure> {
    let shown = clean(&path.to_string_lossy()).into_owned();
    let fail = |error| Failure::new(format!("cannot read {shown}: {}", load::plain(&error)));
    let bytes = std::fs::File::open(path).and_then(bytes_of).map_err(fail)?;
    let saved = read_plan(path, &bytes)?;
    if json {
        let document = serde_json::to_string_pretty(&saved.shown()).map_err(Failure::new)?;
        out::line(document)?;
        return Ok(Exit::Done);
    }
    plan::show(&saved.plan, false, View::Changes)?;
    out::print(stale::relied_on(&saved.relies_on))?;
    Ok(Exit::Done)
}

/// Whether a file is a saved plan, or what is left of one: JSON that begins with its `format_version`, as all that were
/// saved do.
fn is_plan(bytes: &[u8]) -> bool {
    let begins = bytes.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    if begins.is_some_and(|rest| rest.starts_with(b"\"format_version\"")) {
        return true;
    }
    let document: Option<serde_json::Value> = begins.and_then(|_| serde_json::from_slice(bytes).ok());
    document.is_some_and(|document| document.get("format_version").is_some())
}

/// The most that is read of a file that may be a plan: one of a thousand namespaces has a few MiB.
const LARGEST: u64 = 256 << 20;

/// The bytes of a file, up to one more than a saved plan may have.
fn bytes_of(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The saved plan in a file, where it is one; everything else is a topology. What is no plain file is not looked into: a
/// pipe can be read but once.
pub fn saved_plan(path: &Path) -> Option<Result<SavedPlan, Failure>> {
    let bytes = path.is_file().then(|| File::open(path).and_then(bytes_of).ok())??;
    is_plan(&bytes).then(|| read_plan(path, &bytes))
}

/// By whom a plan was saved, and how.
#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    format_version: serde_json::Value,
    #[serde(default)]
    netwright_version: serde_json::Value,
}

/// Reads a saved plan.
fn read_plan(path: &Path, bytes: &[u8]) -> Result<SavedPlan, Failure> {
    let shown = clean(&path.to_string_lossy()).into_owned();
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::new(format!("{shown} is no saved plan: it is larger than {} MiB", LARGEST >> 20)));
    }
    // What it says of a damaged place may quote it.
    let broken = |error: serde_json::Error| {
        let error = error.to_string();
        Failure::new(format!("{shown} is not a saved plan, or a damaged one: {}", clean(&error)))
    };
    // The versions first: what another one holds may not fit here.
    let Versions { format_version: has, netwright_version: by } = serde_json::from_slice(bytes).map_err(broken)?;
    let reads = crate::plan::FORMAT_VERSION;
    if has != reads {
        let what = format!("{shown} is a plan of format {has}, and this version reads \"{reads}\"; make a new plan");
        return Err(Failure::new(clean(&what)));
    }
    if by != NETWRIGHT_VERSION {
        let by = by.as_str().map_or_else(|| "another version".to_owned(), |by| format!("version {}", clean(by)));
        let what = format!("{shown} was saved by {by} of netwright, and this is {NETWRIGHT_VERSION}; make a new plan");
        return Err(Failure::new(what));
    }
    let saved: SavedPlan = serde_json::from_slice(bytes).map_err(broken)?;
    if !saved.is_intact().map_err(broken)? {
        return Err(Failure::new(format!("{shown} is not as it was saved: somebody has changed it; make a new plan")));
    }
    Ok(saved)
}
