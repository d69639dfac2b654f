//! `list`: the topologies on this host.

use std::collections::BTreeMap;

use super::{
    Exit, Failure, args, load, out,
    session::{Session, live},
};
use crate::{
    diff::Choices,
    exec::memo,
    kernel::{Kernel, Live},
    model::{Snapshot, TopologyName, event::Action},
    observe,
    plan::{FIREWALL_UNUSABLE, Prepared},
    report::show::{self, State, Summary},
};

/// Runs the verb.
pub fn run(args: &args::List) -> Result<Exit, Failure> {
    Live::check().map_err(Failure::new)?;
    let kernel = Live::new().map_err(Failure::new)?;
    let snapshot = kernel.read(&observe::request(None)).map_err(Failure::new)?;
    let mut names = observe::topologies(&snapshot);
    names.extend(memo::names());
    let mut summaries = Vec::new();
    for name in names {
        summaries.push(summary(&name, &snapshot)?.0);
    }
    if args.json {
        out::line(format_args!("{:#}", show::list_json(&summaries)))?;
    } else {
        out::print(show::list(&summaries))?;
    }
    Ok(Exit::Done)
}

/// What a topology has on this host, with the plan that would remove it.
pub fn summary(name: &TopologyName, snapshot: &Snapshot) -> Result<(Summary, Prepared), Failure> {
    let session = Session::open(live()?, name.clone())?;
    let everything = session.plan_of(None, &Choices::default(), snapshot);
    let mut counts = BTreeMap::new();
    // What is borrowed of the host's settings makes the host no namespace of the topology.
    for change in everything.plan.changes.iter().filter(|change| change.action == Action::Delete) {
        *counts.entry(change.address.kind()).or_insert(0) += 1;
    }
    let state = state(&session, name)?;
    let file = session.memo().map(|memo| memo.source.path.clone());
    Ok((Summary { name: name.clone(), counts, state, file }, everything))
}

fn state(session: &Session, name: &TopologyName) -> Result<State, Failure> {
    let unknown = |why: &str| Ok(State::Unknown { why: why.to_owned() });
    let Some(memo) = session.memo() else { return unknown("what was applied is not remembered") };
    let applied = load::restore(&memo.source, name).and_then(|loaded| loaded.topology);
    let Some(applied) = applied else { return unknown("what was applied cannot be read any more") };
    let mut plan = session.plan(Some(&applied), &Choices::default())?.plan;
    if let Some(found) = plan.findings.iter().find(|found| found.code == FIREWALL_UNUSABLE) {
        return unknown(&found.message);
    }
    session.forget_unmade(&mut plan);
    let differences = plan.changes.len();
    Ok(if differences == 0 { State::InSync } else { State::Drifted { differences } })
}
