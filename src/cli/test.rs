//! `test`: proves a topology's checks on the running lab.

use std::{net::IpAddr, path::Path};

use nix::ifaddrs::getifaddrs;

use super::{
    Exit, Failure, args, load,
    operand::{self, Operand},
    out,
};
use crate::{
    exec::memo,
    kernel::{self, Live},
    kind::{
        Topology,
        check::{Answerer, Check, Probe, Responder, Unpublished},
        firewall::Forward,
    },
    model::Netns,
    probe::{self, Limits, Status},
    report::{checks, diagnostic},
};

/// Runs the verb.
pub fn run(args: &args::Test) -> Result<Exit, Failure> {
    let mut topology = topology(args)?;
    Live::check().map_err(Failure::new)?;
    if topology.checks.iter().any(|check| check.probe == Probe::Ping) {
        kernel::check_pings().map_err(Failure::new)?;
    }
    if topology.checks.is_empty() {
        out::say(format_args!("the topology {} has no checks; write some under `checks:`", topology.name));
    }
    let forwards = topology.firewalls.get(&Netns::Host).map_or(&[][..], |rules| &rules.forwards);
    topology.checks.iter_mut().for_each(|check| answer_on_the_host(check, forwards));
    probe::settle_trees(&topology, || {
        out::say("waiting for the spanning tree: for half a minute after an apply bridges with STP pass nothing");
    });
    let outcomes = probe::run(&topology.checks, Limits::within(args.timeout))
        .map_err(|error| Failure::new(format!("the checks could not be run: {error}")))?;
    if args.json {
        out::line(checks::json(&outcomes).map_err(Failure::new)?.trim_end())?;
    } else {
        out::print(checks::text(&outcomes))?;
    }
    if let Some(path) = &args.junit {
        let text = checks::junit(topology.name.as_str(), &outcomes);
        std::fs::write(path, text).map_err(|error| {
            Failure::new(format!("cannot write the report {}: {}", path.display(), load::plain(&error)))
        })?;
    }
    let failed = outcomes.iter().any(|outcome| outcome.status != Status::Pass);
    if failed { Err(Failure::Said) } else { Ok(Exit::Done) }
}

/// A check may go to an address of the host that is not in the file: then the host is to answer it, or a forward of its own.
fn answer_on_the_host(check: &mut Check, forwards: &[Forward]) {
    let Some((_, port)) = check.probe.port() else { return };
    let all = getifaddrs().into_iter().flatten().filter_map(|interface| interface.address);
    let mut local = all.filter_map(|address| {
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    });
    let Some(target) = check.targets.first().copied().filter(|target| local.any(|address| address == *target)) else {
        return;
    };
    let host = || Responder::Namespace(Answerer { netns: Netns::Host, label: "host".into(), port });
    let unpublished = || Unpublished::find("host", forwards, check.probe, target).map(Responder::Unpublished);
    if check.responder.is_none() {
        check.responder = Some(unpublished().unwrap_or_else(host));
    }
}

fn topology(args: &args::Test) -> Result<Topology, Failure> {
    let operand =
        operand::operand(args.operand.as_deref(), args.reading.format, Path::new("")).map_err(Failure::new)?;
    match operand {
        Operand::Source(_) => {
            let loaded = load::file(args.operand.as_deref(), &args.reading)?;
            if args.json && loaded.topology.is_none() {
                out::line(format_args!("{:#}", diagnostic::document(&loaded.documents())))?;
                return Err(Failure::Said);
            }
            Ok(loaded.topology(false)?.0)
        }
        Operand::Name(name) => {
            let unknown = || Failure::new(format!("no topology `{name}` was applied on this host; name its file"));
            let memo = memo::load(&name).ok_or_else(unknown)?;
            Ok(load::restore(&memo.source, &name).ok_or_else(unknown)?.topology(false)?.0)
        }
    }
}
