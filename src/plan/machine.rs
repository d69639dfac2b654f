//! What the ops of a plan need and this machine does not do: told before any of them is run, and of nothing that stays as
//! it is.

use std::collections::{BTreeMap, BTreeSet};

use super::FIREWALL_UNUSABLE;
use crate::{
    kind::Topology,
    model::{
        Address, Diagnostic, Netns, Snapshot,
        machine::{DeviceKind, Lack},
        snapshot::{Family, Unusable},
    },
    op::{Batch, Op},
};

/// Everything that would fail for want of the kernel's or the container's help.
pub fn find(snapshot: &Snapshot, batches: &[Batch]) -> Vec<Diagnostic> {
    let lacks = snapshot.lacks.iter().filter_map(|lack| {
        let needy = Needy::of(batches, |op| needs(lack, op))?;
        Some(diagnostic(lack, &needy))
    });
    lacks.chain(too_many(snapshot, batches)).collect()
}

/// Namespaces whose rules cannot be had on this machine. What is known of them is nothing, so that nothing can be done.
pub fn firewalls(topology: &Topology, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let mut places: BTreeMap<&Unusable, Vec<&Netns>> = BTreeMap::new();
    for netns in topology.firewalls.keys() {
        if let Some(unusable) = snapshot.firewall(netns).and_then(|firewall| firewall.unusable.as_ref()) {
            places.entry(unusable).or_default().push(netns);
        }
    }
    let one = |(unusable, places): (&Unusable, Vec<&Netns>)| {
        let names: Vec<&str> = places.iter().map(|netns| netns.as_str()).collect();
        let what = format!("the packet filter of {} cannot be used: {}", names.join(", "), unusable.what);
        let error = Diagnostic::error(FIREWALL_UNUSABLE, what);
        match &unusable.help {
            Some(help) => error.help(help),
            None => error,
        }
    };
    places.into_iter().map(one).collect()
}

/// Who needs something.
struct Needy<'a> {
    first: &'a Address,
    more: usize,
}

impl<'a> Needy<'a> {
    fn of(batches: &'a [Batch], needs: impl Fn(&Op) -> bool) -> Option<Self> {
        let steps = batches.iter().flat_map(|batch| &batch.steps);
        let mut needy = steps.filter(|step| needs(&step.op)).map(|step| &step.address);
        let first = needy.next()?;
        let others: BTreeSet<&Address> = needy.filter(|address| *address != first).collect();
        Some(Self { first, more: others.len() })
    }
}

impl std::fmt::Display for Needy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.more {
            0 => write!(f, "{} needs", self.first),
            more => write!(f, "{} and {more} more need", self.first),
        }
    }
}

fn needs(lack: &Lack, op: &Op) -> bool {
    match lack {
        Lack::Ipv6 => match op {
            Op::AddressAdd { address, .. } => address.addr().is_ipv6(),
            Op::RouteAdd { route, .. } => route.to.addr().is_ipv6(),
            Op::FirewallLoad { family, .. } => *family == Family::V6,
            _ => false,
        },
        Lack::Device(DeviceKind::Veth, _) => matches!(op, Op::VethCreate { .. }),
        Lack::Device(DeviceKind::Bridge, _) => matches!(op, Op::BridgeCreate { .. }),
        Lack::WritableSysctls => matches!(op, Op::SysctlSet { .. } | Op::SysctlBorrow { .. }),
        Lack::WritableFolder(..) => matches!(op, Op::NetnsCreate { .. }),
    }
}

fn diagnostic(lack: &Lack, needy: &Needy<'_>) -> Diagnostic {
    match lack {
        Lack::Ipv6 => Diagnostic::error("host::no_ipv6", format!("this kernel has no IPv6, which {needy}")).help(
            "it was built without, or booted with ipv6.disable=1 (see /proc/cmdline): boot it with IPv6, or write the \
             topology without IPv6 addresses",
        ),
        Lack::Device(kind, why) => {
            let (code, kind) = match kind {
                DeviceKind::Veth => ("host::no_veth", kind.as_str()),
                DeviceKind::Bridge => ("host::no_bridge", kind.as_str()),
            };
            let what = format!("this kernel makes no {kind} devices, which {needy}: {why}");
            let help = format!(
                "load the module (modprobe {kind}); kernels of clouds and small machines have it in a package of its own, \
                 such as linux-modules-extra"
            );
            Diagnostic::error(code, what).help(help)
        }
        Lack::WritableSysctls => {
            let what = format!("/proc/sys is read-only here, and {needy} to write settings there");
            Diagnostic::error("host::read_only_sysctls", what).help(
                "a container has it so: run it with --privileged, remount it (mount -o remount,rw /proc/sys), or use \
                 `netwright sandbox`",
            )
        }
        Lack::WritableFolder(path, why) => {
            let what =
                format!("namespaces get their names below /run/netns, which {needy}, and {path} is closed: {why}");
            Diagnostic::error("host::no_netns_folder", what)
                .help("make it writable, or mount a tmpfs there (mount -t tmpfs tmpfs /run)")
        }
    }
}

/// Namespaces beyond the limit of their user. Of those that are there only the ones with a name are known.
fn too_many(snapshot: &Snapshot, batches: &[Batch]) -> Option<Diagnostic> {
    let limit = snapshot.namespace_limit?;
    let steps = batches.iter().flat_map(|batch| &batch.steps);
    // Those that go are there until the run is over.
    let come = steps.filter(|step| matches!(step.op, Op::NetnsCreate { .. })).count() as u64;
    let there = snapshot.namespaces.keys().filter(|netns| **netns != Netns::Host).count() as u64;
    let total = there + come;
    let what = format!("{come} namespaces are to be made where {there} are, and this machine allows {limit} in all");
    let help = format!("raise the limit: sysctl -w user.max_net_namespaces={}", total.saturating_mul(2));
    (come > 0 && total > limit).then(|| Diagnostic::error("host::namespace_limit", what).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diff::Choices,
        kind::made::Made,
        plan::{Inputs, build, testing::topology},
    };

    const LAB: &str = "
name: lab
namespaces: {web: {}, db: {}}
bridges: {br0: {addresses: [10.1.0.1/24]}}
links:
  - endpoints: ['web:eth0 10.1.0.2/24', br0]
  - endpoints: ['web:eth1 ADDRESS/64', 'db:eth1']
";

    fn found(address: &str, snapshot: Snapshot) -> String {
        let mut snapshot = snapshot;
        snapshot.namespaces.entry(Netns::Host).or_default();
        let topology = topology(&LAB.replace("ADDRESS/64", address));
        let (memo, choices) = (Made::default(), Choices::default());
        let inputs = Inputs {
            name: &topology.name,
            topology: Some(&topology),
            snapshot: &snapshot,
            memo: &memo,
            choices: &choices,
        };
        let texts = build(&inputs)
            .plan
            .findings
            .into_iter()
            .map(|it| format!("{:?} {}: {}\n{}\n", it.severity, it.code, it.message, it.help.unwrap_or_default()));
        texts.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_the_machine_lacks_is_told_with_who_needs_it() {
        let why = "operation not supported (EOPNOTSUPP)";
        let lacks = vec![
            Lack::Ipv6,
            Lack::Device(DeviceKind::Veth, why.into()),
            Lack::Device(DeviceKind::Bridge, why.into()),
            Lack::WritableSysctls,
            Lack::WritableFolder("/run".into(), "it is on a file system that is read-only".into()),
        ];
        let all = found("fd00::1/64", Snapshot { lacks, namespace_limit: Some(1), ..Snapshot::default() });
        insta::assert_snapshot!(all);
    }

    #[test]
    fn a_lab_of_ipv4_needs_no_ipv6() {
        let snapshot = Snapshot { lacks: vec![Lack::Ipv6], namespace_limit: Some(2), ..Snapshot::default() };
        assert_eq!(found("10.2.0.1/24", snapshot), "");
    }
}
