//! Where kinds put their ops: in stages, so that ops of many resources run in an order that is right for the kernel and
//! that lets those of one namespace travel together.

mod gather;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

use foldhash::HashMap;

use super::rename;
use crate::{
    model::{Address, Mark, Netns, Snapshot, TopologyName, mark::PARK_GROUP},
    op::{Batch, LinkChange, LinkRef, Op, Step},
};
use gather::Gathering;

/// When an op runs. Deletes come first, so that names, subnets and ports are free for what is made; within a stage the
/// order is that of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// What rules shield is closed before they go.
    Close,
    /// Rules that go with a namespace's last use of them, before what they protect.
    FirewallRemove,
    /// Routes that go: before the addresses and devices with which the kernel would take some of them.
    WithdrawRoute,
    /// Addresses that go, and ports that are given back.
    Withdraw,
    /// Links that go, and bridges that nothing that stays is plugged into.
    Unlink,
    /// Namespaces that go.
    NetnsPark,
    /// Namespaces that come.
    NetnsCreate,
    /// Sysctls of whole namespaces, before links that inherit them.
    Sysctl,
    /// Names that are in each other's way move aside.
    RenameAside,
    /// Names.
    Rename,
    /// Bridges that come, down: ports that are raised one by one on a bridge that is up cost the kernel a multiple.
    Bridge,
    /// Veth pairs that come, with all that is done to the end in whose namespace they are made.
    Link,
    /// IPv6 of single devices: off before they are up, on before they get addresses.
    Ipv6,
    /// The other ends, and changes in place: attributes, masters, addresses, up.
    Configure,
    /// Bridges go up and get their addresses.
    BridgeUp,
    /// IPv6 addresses, once both ends of their link are up: one that is there before has its first neighbour
    /// solicitations unanswered for a second, measured, although it is `nodad`.
    AddressV6,
    /// Bridges whose ports have moved to another.
    BridgeDelete,
    /// Sysctls of single devices.
    LinkSysctl,
    /// Routes that need no other route.
    Route,
    /// Routes by way of another route of ours.
    RouteVia,
    /// Rules.
    Firewall,
    /// What rules shield, once they do.
    Open,
    /// Flows that must not keep to a rule that has gone.
    Flows,
    /// Values that go back to the host.
    GiveBack,
    /// With the end of the run, namespaces that were set aside go.
    DropNetns,
    /// And so do devices: bridges once their ports have gone with those.
    DropLink,
}

/// Ops of each stage, in the order of the plan, with where they run.
type Staged = BTreeMap<Stage, Vec<(Netns, Step)>>;

/// The ops of a plan while they are gathered.
#[derive(Debug)]
pub struct Steps<'a> {
    /// Whose ops they are.
    pub topology: &'a TopologyName,
    /// What the kernel said.
    pub snapshot: &'a Snapshot,
    /// Stage by stage, which is half of bringing them in order.
    staged: Staged,
    /// The devices as they will be, by namespace and name.
    devices: HashMap<Netns, HashMap<String, u32>>,
    next_index: u32,
    parting: Vec<Parting>,
    /// Devices that are named by something, but that neither exist nor will.
    pub missing: Vec<(Address, Netns, String)>,
}

/// A device that goes.
#[derive(Debug)]
struct Parting {
    stage: Stage,
    netns: Netns,
    address: Address,
    link: LinkRef,
    goes_along: bool,
}

/// The lowest index that is chosen for a new device: well above those that the kernel hands out by itself, so that
/// another program that makes a device meanwhile does not get ours.
pub const FIRST_INDEX: u32 = 10_000;

impl<'a> Steps<'a> {
    /// No ops yet; the devices are those of `snapshot`.
    pub fn new(topology: &'a TopologyName, snapshot: &'a Snapshot) -> Self {
        let mut devices: HashMap<Netns, HashMap<String, u32>> = HashMap::default();
        let mut highest = FIRST_INDEX;
        for (netns, state) in &snapshot.namespaces {
            let named = state.links.iter().map(|link| (link.name.clone(), link.index));
            devices.insert(netns.clone(), named.collect());
            highest = state.links.iter().map(|link| link.index).fold(highest, u32::max);
            highest = state.parked.iter().map(|link| link.index).fold(highest, u32::max);
        }
        let (staged, parting, missing) = (Staged::new(), Vec::new(), Vec::new());
        Self { topology, snapshot, staged, devices, next_index: highest + 1, parting, missing }
    }

    /// Takes a device that goes out of the picture.
    pub fn forget(&mut self, netns: &Netns, name: &str) {
        self.devices.get_mut(netns).map(|devices| devices.remove(name));
    }

    /// Takes a whole namespace that goes out of the picture.
    pub fn forget_netns(&mut self, netns: &Netns) {
        self.devices.remove(netns);
    }

    /// Enters a namespace that comes: it has `lo`, always at index 1.
    pub fn enter_netns(&mut self, netns: &Netns) {
        self.enter_as(netns, "lo", 1);
    }

    /// Enters a device that comes, under an index that no device of this reading has: one counter for all namespaces,
    /// so that an index says which device is meant wherever it turns up.
    pub fn enter(&mut self, netns: &Netns, name: &str) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        self.enter_as(netns, name, index);
        index
    }

    /// Enters an existing device under the name that it will have.
    pub fn enter_as(&mut self, netns: &Netns, name: &str, index: u32) {
        self.devices.entry(netns.clone()).or_default().insert(name.to_owned(), index);
    }

    /// The index that the device called `name` will have.
    pub fn index(&self, netns: &Netns, name: &str) -> Option<u32> {
        self.devices.get(netns)?.get(name).copied()
    }

    /// The device called `name`, for an op of `address`; a missing one is noted and the op must be left out.
    pub fn link(&mut self, address: &Address, netns: &Netns, name: &str) -> Option<LinkRef> {
        let index = self.index(netns, name);
        if index.is_none() {
            self.missing.push((address.clone(), netns.clone(), name.to_owned()));
        }
        index.map(|index| LinkRef { index, name: name.to_owned() })
    }

    /// Adds an op.
    pub fn push(&mut self, stage: Stage, netns: &Netns, address: &Address, op: Op) {
        self.staged.entry(stage).or_default().push((netns.clone(), Step { address: address.clone(), op }));
    }

    /// Sets a device aside, for whatever comes in its place: a run that fails takes it up again as it is. It is deleted
    /// with the end of the run, for itself or with its peer.
    pub fn part(&mut self, stage: Stage, netns: &Netns, address: &Address, link: LinkRef) {
        let (netns, address) = (netns.clone(), address.clone());
        self.parting.push(Parting { stage, netns, address, link, goes_along: false });
    }

    /// The same for an end of a veth that goes because its peer's namespace does: nothing is done to it where it is in the way of
    /// nothing, neither by its name nor by its addresses.
    pub fn part_with_its_peer(&mut self, stage: Stage, netns: &Netns, address: &Address, link: LinkRef) {
        let (netns, address) = (netns.clone(), address.clone());
        self.parting.push(Parting { stage, netns, address, link, goes_along: true });
    }

    /// Says how devices go, once all else is known: out of the way of what comes where something comes, else as they are,
    /// since each of these costs the kernel a wait.
    pub fn finish_parting(&mut self) {
        if self.parting.is_empty() && !self.snapshot.has_parked() {
            return;
        }
        let busy: BTreeSet<Netns> =
            self.ops().filter(|(_, op)| comes(op)).flat_map(|(netns, op)| places(netns, op)).cloned().collect();
        for Parting { stage, netns, address, link, goes_along } in std::mem::take(&mut self.parting) {
            let state = self.snapshot.namespaces.get(&netns);
            let there = state.and_then(|state| state.link_at(link.index));
            let is_busy = busy.contains(&netns);
            let is_wanted = self.index(&netns, &link.name).is_some_and(|other| other != link.index);
            let has_routes = state.is_some_and(|it| it.addresses.of(link.index).any(|it| !it.link_local));
            if goes_along && !is_wanted && !(is_busy && has_routes) {
                continue;
            }
            let mark = Mark::new(self.topology, &address).to_string();
            let is_marked = there.is_some_and(|there| there.alias.as_deref() == Some(&*mark));
            let change = LinkChange {
                alias: (!is_marked).then_some(mark),
                group: Some(PARK_GROUP),
                // A bridge that stays up floods each farewell of its ports to all others of them.
                up: (is_busy || there.is_some_and(|it| it.bridge.is_some())).then_some(false),
                rename: if is_wanted { rename::aside(link.index) } else { None },
                ..LinkChange::default()
            };
            self.push(stage, &netns, &address, Op::LinkSet { link, change });
        }
        self.push_aside(&busy);
    }

    /// What a run that was killed has set aside goes with the end of this one, and is until then in its way as well.
    fn push_aside(&mut self, busy: &BTreeSet<Netns>) {
        for (netns, state) in &self.snapshot.namespaces {
            for parked in &state.parked {
                let Some(mark) = parked.mark().filter(|mark| mark.topology == *self.topology) else { continue };
                let is_wanted = self.index(netns, &parked.name).is_some();
                let change = LinkChange {
                    up: (parked.up && busy.contains(netns)).then_some(false),
                    rename: if is_wanted { rename::aside(parked.index) } else { None },
                    ..LinkChange::default()
                };
                if change != LinkChange::default() {
                    let link = LinkRef { index: parked.index, name: parked.name.clone() };
                    self.push(Stage::Unlink, netns, &mark.address, Op::LinkSet { link, change });
                }
            }
        }
    }

    /// The ops so far, with where they run.
    pub fn ops(&self) -> impl Iterator<Item = (&Netns, &Op)> {
        self.staged.values().flatten().map(|(netns, step)| (netns, &step.op))
    }

    /// The ops in order, those of one stage and namespace together: those that make the change, and those that end it, of
    /// which none can be taken back.
    pub fn into_batches(self) -> (Vec<Batch>, Vec<Batch>) {
        let mut makes = self.staged;
        let ends = makes.split_off(&Stage::DropNetns);
        let gathering = Gathering::of(&makes);
        let makes =
            one_by_one(makes).map(|(stage, netns, step)| (gathering.stage(stage, &netns, &step.op), netns, step));
        (together(makes), together(one_by_one(ends)))
    }
}

fn one_by_one(staged: Staged) -> impl Iterator<Item = (Stage, Netns, Step)> {
    staged.into_iter().flat_map(|(stage, ops)| ops.into_iter().map(move |(netns, step)| (stage, netns, step)))
}

/// Whether an op brings something that what goes could be in the way of.
fn comes(op: &Op) -> bool {
    match op {
        Op::BridgeCreate { .. }
        | Op::BridgeUp { .. }
        | Op::VethCreate { .. }
        | Op::AddressAdd { .. }
        | Op::RouteAdd { .. } => true,
        Op::LinkSet { change, .. } => change.rename.is_some() || change.up == Some(true),
        _ => false,
    }
}

/// The namespaces that an op has to do with.
fn places<'a>(netns: &'a Netns, op: &'a Op) -> impl Iterator<Item = &'a Netns> {
    let other = if let Op::VethCreate { peer_netns, .. } = op { Some(peer_netns) } else { None };
    std::iter::once(netns).chain(other)
}

/// The ops of each stage and namespace in one batch, stage after stage.
pub fn together<S: Ord + Hash + Copy>(staged: impl IntoIterator<Item = (S, Netns, Step)>) -> Vec<Batch> {
    let mut groups: BTreeMap<S, Vec<Batch>> = BTreeMap::new();
    let mut places: HashMap<(S, Netns), usize> = HashMap::default();
    for (stage, netns, step) in staged {
        let group = groups.entry(stage).or_default();
        let place = *places.entry((stage, netns.clone())).or_insert_with(|| {
            group.push(Batch { netns, steps: Vec::new() });
            group.len() - 1
        });
        group[place].steps.push(step);
    }
    let mut batches: Vec<Batch> = Vec::new();
    for batch in groups.into_values().flatten() {
        match batches.last_mut() {
            Some(last) if last.netns == batch.netns => last.steps.extend(batch.steps),
            _ => batches.push(batch),
        }
    }
    batches
}
