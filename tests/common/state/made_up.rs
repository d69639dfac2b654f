//! Hardware addresses that the kernel made up.

use std::{collections::BTreeSet, fs, net::Ipv6Addr, thread};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

/// Those of the calling thread's namespace. A thread that nobody else uses mounts the namespace's sysfs for itself.
pub fn addresses() -> BTreeSet<String> {
    thread::scope(|scope| scope.spawn(read).join().expect("no panic"))
}

fn read() -> BTreeSet<String> {
    const RANDOM: &str = "1";
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).expect("mounts of its own");
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("mounts of its own");
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::MS_RDONLY, none).expect("sysfs");
    let devices = fs::read_dir("/sys/class/net").expect("devices").flatten().map(|entry| entry.path());
    let value = |path: std::path::PathBuf| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let made_up = devices.filter(|device| value(device.join("addr_assign_type")) == RANDOM);
    made_up.map(|device| value(device.join("address"))).collect()
}

/// The addresses, and the link-local ones that were made of them, or of those that a bridge had before a port gave it
/// another.
pub fn words<'a>(
    made_up: &BTreeSet<String>,
    objects: impl Iterator<Item = (&'a String, &'a Vec<String>)>,
) -> BTreeSet<String> {
    let is_made_up = |line: &String| line.strip_prefix("address = ").is_some_and(|mac| made_up.contains(mac));
    let devices = objects.filter(|(object, lines)| object.starts_with("link ") && lines.iter().any(is_made_up));
    let words = devices.flat_map(|(_, lines)| lines).filter_map(|line| link_local(line));
    words.chain(made_up.iter().cloned()).collect()
}

/// The address of such a line that is made of a hardware address: they have `ff:fe` in their midst.
fn link_local(line: &str) -> Option<String> {
    let (word, _) = line.strip_prefix("address ")?.split_once('/')?;
    let bytes = word.parse::<Ipv6Addr>().ok()?.octets();
    (bytes.starts_with(&[0xfe, 0x80]) && bytes[11..13] == [0xff, 0xfe]).then(|| word.to_owned())
}
