//! All that the kernel holds of networks, read fast enough to be compared before and after thousands of faults: in this
//! process, by raw netlink, never with the code under test.
//!
//! Every attribute that the kernel tells is kept. Left out is what differs between two readings of a network that is the
//! same:
//! - indexes (`ifindex`, `link_netnsid`) and a bridge's numbers for its ports: handed out anew; names stand for them;
//! - counters, carrier changes, and the rates and ages that go with them;
//! - timers of bridges and their ports, learned addresses, groups and neighbours, which traffic fills;
//! - `tentative`, lifetimes and `expires`: duplicate address detection and router advertisements on their way;
//! - built-in chains that are empty and accept, and built-in tables with nothing else: iptables makes them when it looks;
//! - the queueing discipline of a device without one: `noop` until it was up for the first time, `noqueue` from then on;
//! - handles of rules, chains and tables;
//! - sysctls that cannot be read, or that are a secret made up by the kernel for each namespace;
//! - the tool's lock files, and folders with nothing else.

// Not every test needs all of it.
#![allow(dead_code, reason = "included with #[path]")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    sync::Mutex,
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, setns};

#[path = "state/files.rs"]
mod files;
#[path = "state/made_up.rs"]
mod made_up;
#[path = "state/netfilter.rs"]
mod netfilter;
#[path = "state/route.rs"]
mod route;
#[path = "state/shape.rs"]
mod shape;
#[path = "state/wire.rs"]
mod wire;

/// An object, such as `link eth0`, and what is said of it.
type Section = BTreeMap<String, Vec<String>>;

const HOST: &str = "host";
const RUN: &str = "/run";

/// A kernel's networks at one time.
#[derive(Debug, Clone)]
pub struct State {
    sections: BTreeMap<String, Section>,
    /// Whether duplicate address detection was running.
    tentative: bool,
    /// Whether a carrier may still have to be told of.
    untold: bool,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.sections == other.sections
    }
}

impl State {
    /// Reads the calling thread's namespace, which is the host, every namespace below `/run/netns`, and what lies in
    /// `/run`. The first namespace that anybody makes turns `/run/netns` into a mount, which stays: whoever wants to find
    /// the host as it was before makes one first.
    pub fn take() -> Self {
        Self::read(|| {})
    }

    /// The same without the hardware addresses that the kernel made up, and what it derives from them: two applies of one
    /// topology are equal in all the rest. Slower: only sysfs tells who made up an address, and it has to be mounted.
    pub fn take_without_made_up() -> Self {
        let made_up = Mutex::new(BTreeSet::new());
        let mut state = Self::read(|| made_up.lock().expect("no panic").extend(made_up::addresses()));
        let made_up = made_up.into_inner().expect("no panic");
        let words = made_up::words(&made_up, state.sections.values().flatten());
        for lines in state.sections.values_mut().flat_map(|section| section.values_mut()) {
            for line in lines {
                for word in words.iter().filter(|word| line.contains(word.as_str())).collect::<Vec<_>>() {
                    *line = line.replace(word.as_str(), "made-up");
                }
            }
        }
        state.sort();
        state
    }

    /// `beside` is run inside each namespace.
    fn read(beside: impl Fn() + Sync) -> Self {
        let mut state = Self { sections: BTreeMap::new(), tentative: false, untold: false };
        let mut ends = Vec::new();
        // By the inode of the namespace: another name of one that was read says so and no more.
        let mut known = HashMap::new();
        let own = File::open("/proc/thread-self/ns/net").expect("a namespace");
        known.insert(inode(&own), HOST.to_owned());
        let one = || {
            let mut section = Section::new();
            let seen = namespace(&mut section);
            beside();
            (section, seen)
        };
        let mut add = |name: String, (section, seen): (Section, route::Seen)| {
            state.tentative |= seen.tentative;
            state.untold |= seen.untold;
            ends.push((name.clone(), seen.ends));
            state.sections.insert(name, section);
        };
        add(HOST.to_owned(), one());
        for name in files::by_age() {
            // It may be a file that is none, or go this very moment.
            let Ok(file) = File::open(format!("/run/netns/{name}")) else { continue };
            if let Some(first) = known.get(&inode(&file)) {
                let same = vec![format!("is another name of {first}")];
                add(name, (Section::from([("namespace".to_owned(), same)]), route::Seen::default()));
                continue;
            }
            let Some(read) = inside(&file, one) else { continue };
            known.insert(inode(&file), name.clone());
            add(name, read);
        }
        state.name_peers(&ends);
        let mut section = Section::new();
        files::below_run(&mut section);
        state.sections.insert(RUN.to_owned(), section);
        state.sort();
        state
    }

    /// That, when the kernel has come to rest.
    pub fn settled_without_made_up() -> Self {
        Self::settled();
        Self::take_without_made_up()
    }

    fn sort(&mut self) {
        for (object, lines) in self.sections.values_mut().flatten() {
            lines.retain(|line| line != "qdisc = noop" && line != "qdisc = noqueue");
            // Rules stand in an order that means something.
            if !object.starts_with("nft ") && !object.contains("-legacy-save ") {
                lines.sort();
            }
        }
    }

    /// Reads when the kernel has come to rest. It tells of carrier up to a second late, or some more on a busy machine, and
    /// makes addresses only then.
    pub fn settled() -> Self {
        let (mut last, mut quiet) = (Self::take(), 0);
        for _ in 0..300 {
            thread::sleep(Duration::from_millis(50));
            let next = Self::take();
            quiet = if next == last && !next.tentative { quiet + 1 } else { 0 };
            let enough = if next.untold { 100 } else { 24 };
            if quiet >= enough {
                return next;
            }
            last = next;
        }
        panic!("the kernel's networks did not come to rest:\n{}", last.diff(&Self::take()));
    }

    /// The difference where the kernel does not come to hold what it held then. It gets a moment for that: it deletes
    /// namespaces, and the ends of veth pairs in them, behind our back.
    pub fn restored(&self) -> Result<(), String> {
        for _ in 0..150 {
            if Self::take() == *self {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let now = Self::take();
        if now == *self { Ok(()) } else { Err(self.diff(&now)) }
    }

    /// Panics with that difference.
    #[track_caller]
    pub fn assert_restored(&self, after: &str) {
        if let Err(diff) = self.restored() {
            panic!("after {after} the kernel is not as it was before:\n{diff}");
        }
    }

    /// What `other` has more (`+`) and less (`-`): namespace, object, attribute. Of a namespace or a device that only one
    /// of them has, the name says it all.
    pub fn diff(&self, other: &Self) -> String {
        let mut told = String::new();
        let places: BTreeSet<&String> = self.sections.keys().chain(other.sections.keys()).collect();
        for place in places {
            match (self.sections.get(place), other.sections.get(place)) {
                (Some(_), None) => told.push_str(&format!("-{place} namespace\n")),
                (None, Some(_)) => told.push_str(&format!("+{place} namespace\n")),
                (Some(before), Some(after)) => differ(place, before, after, &mut told),
                (None, None) => {}
            }
        }
        told
    }

    /// Says of each end of a veth where its peer is. An index means something in its namespace alone, so that two ends
    /// are one pair when each has the other's.
    fn name_peers(&mut self, ends: &[(String, Vec<route::End>)]) {
        let mut by_indexes: HashMap<(u32, u32), Vec<(&String, &String)>> = HashMap::new();
        for (place, end) in ends.iter().flat_map(|(place, ends)| ends.iter().map(move |end| (place, end))) {
            by_indexes.entry((end.index, end.peer)).or_default().push((place, &end.name));
        }
        for (place, end) in ends.iter().flat_map(|(place, ends)| ends.iter().map(move |end| (place, end))) {
            let Some(netnsid) = end.netnsid else { continue };
            let possible = by_indexes.get(&(end.peer, end.index)).map(Vec::as_slice).unwrap_or_default();
            let peer = match possible {
                [] => None,
                [one] => Some(*one),
                several => several.iter().copied().find(|(there, _)| is_numbered(place, there, netnsid)),
            };
            let peer = peer.map_or("elsewhere".to_owned(), |(place, name)| format!("{place} {name}"));
            let object = self.sections.get_mut(place).and_then(|it| it.get_mut(&format!("link {}", end.name)));
            object.expect("an end was read").push(format!("peer = {peer}"));
        }
    }
}

fn slices(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// Reads the calling thread's namespace.
fn namespace(section: &mut Section) -> route::Seen {
    let seen = route::read(section);
    netfilter::read(section);
    files::sysctls(section);
    seen
}

/// Runs `work` on a thread inside; `None` where the file is no network namespace.
fn inside<T: Send>(netns: &File, work: impl FnOnce() -> T + Send) -> Option<T> {
    let run = || {
        setns(netns, CloneFlags::CLONE_NEWNET).ok()?;
        Some(work())
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

fn open(place: &str) -> Option<File> {
    match place {
        HOST => File::open("/proc/thread-self/ns/net").ok(),
        name => File::open(format!("/run/netns/{name}")).ok(),
    }
}

/// Whether `here` has that number for `there`.
fn is_numbered(here: &str, there: &str, netnsid: i32) -> bool {
    let (Some(here), Some(there)) = (open(here), open(there)) else { return false };
    inside(&here, || route::netnsid(there.as_raw_fd()) == Some(netnsid)).unwrap_or(false)
}

fn inode(file: &File) -> u64 {
    file.metadata().map(|meta| meta.ino()).unwrap_or_default()
}

fn differ(place: &str, before: &Section, after: &Section, told: &mut String) {
    let objects: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for object in objects {
        let only = |sign: &str, lines: &[String]| {
            if object.starts_with("link ") {
                return format!("{sign}{place} {object}\n");
            }
            lines.iter().map(|line| format!("{sign}{place} {object} {line}\n")).collect()
        };
        match (before.get(object), after.get(object)) {
            (Some(lines), None) => told.push_str(&only("-", lines)),
            (None, Some(lines)) => told.push_str(&only("+", lines)),
            (Some(before), Some(after)) if before != after => {
                let diff = similar::TextDiff::from_slices(&slices(before), &slices(after));
                let changed = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
                told.extend(changed.map(|change| format!("{}{place} {object} {}\n", change.tag(), change.value())));
            }
            _ => {}
        }
    }
}
