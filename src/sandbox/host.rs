//! The private host: its namespaces, its file systems, its loopback.

use std::{
    fs::{self, DirEntry, File},
    io,
    os::{fd::AsRawFd, unix::fs::symlink},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    unistd::geteuid,
};
use rtnetlink::{
    packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        RouteNetlinkMessage,
        link::{LinkFlags, LinkMessage},
    },
    sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE},
};

use super::{
    error::{SandboxError, failed, forbidden},
    idmap::IdMap,
};

const NETNS_ETC: &str = "/etc/netns";

/// Leaves the machine's namespaces for new ones and furnishes them. The process namespace is for the next child.
pub(super) fn enter() -> Result<(), SandboxError> {
    let ours = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID;
    let map = IdMap::prepare()?;
    match unshare(CloneFlags::CLONE_NEWUSER) {
        // The map comes before the other namespaces: who is root when a network namespace is made owns its files below
        // /proc/net, and without a map that is nobody inside, who then may not read which tables legacy iptables has.
        Ok(()) => {
            map.write()?;
            unshare(ours).map_err(forbidden)?;
        }
        // Real root needs no user namespace for the others.
        Err(errno) if geteuid().is_root() => unshare(ours).map_err(|_| forbidden(errno))?,
        Err(errno) => return Err(forbidden(errno)),
    }
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).map_err(|errno| match errno {
        // AppArmor lets a user have the namespace but no rights in it; only now does that show.
        Errno::EPERM | Errno::EACCES => forbidden(errno),
        _ => failed("detaching the mounts")(errno),
    })?;
    tmpfs("/run")?;
    netns_etc()?;
    sysfs();
    loopback_up().map_err(failed("raising the loopback device"))
}

fn tmpfs(at: &str) -> Result<(), SandboxError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("netwright"), at, Some("tmpfs"), flags, Some("mode=755")).map_err(failed(&format!("a private {at}")))
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
    Ok(())
}

/// A private /etc/netns. Where the machine has none there is nothing to mount on, and nobody but root could make it,
/// there for all to see: then /etc becomes a private folder that holds everything of the machine's, and a netns beside
/// it. (An overlay would be simpler, but is refused where something is mounted below /etc, as in every container.)
fn netns_etc() -> Result<(), SandboxError> {
    if Path::new(NETNS_ETC).is_dir() {
        return tmpfs(NETNS_ETC);
    }
    let etc = File::open("/etc").map_err(failed("opening /etc"))?;
    let below: PathBuf = format!("/proc/self/fd/{}", etc.as_raw_fd()).into();
    let entries: io::Result<Vec<DirEntry>> = fs::read_dir(&below).and_then(Iterator::collect);
    let entries = entries.map_err(failed("reading /etc"))?;
    tmpfs("/etc")?;
    for entry in entries {
        let what = format!("{} in a private /etc", entry.file_name().display());
        show_again(&entry, &Path::new("/etc").join(entry.file_name())).map_err(failed(&what))?;
    }
    fs::create_dir(NETNS_ETC).map_err(failed("a private /etc/netns"))
}

/// Makes an entry of a covered folder appear in the one that covers it.
fn show_again(entry: &DirEntry, at: &Path) -> io::Result<()> {
    let kind = entry.file_type()?;
    if kind.is_symlink() {
        return symlink(fs::read_link(entry.path())?, at);
    }
    if kind.is_dir() {
        fs::create_dir(at)?;
    } else {
        File::create_new(at)?;
    }
    bind(&entry.path(), at)
}

/// A /sys that shows the devices of our network namespace. A container that hides parts of /sys is not given another;
/// then the old one stays, and shows the machine's devices, which no namespace lets us change. The control groups, which
/// programs read their limits from, stay where they are.
fn sysfs() {
    let groups = File::open("/sys/fs/cgroup");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let new = |flags| mount(Some("sysfs"), "/sys", Some("sysfs"), flags, None::<&str>);
    // Where the old one is read-only, so must the new one be.
    if new(flags).or_else(|_| new(flags | MsFlags::MS_RDONLY)).is_ok()
        && let Ok(groups) = groups
    {
        let old: PathBuf = format!("/proc/self/fd/{}", groups.as_raw_fd()).into();
        // Without them a program only misses a hint.
        let _ = bind(&old, Path::new("/sys/fs/cgroup"));
    }
}

/// Raises `lo`, which is always the first device of a namespace.
fn loopback_up() -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = 1;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::SetLink(link));
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::Error(error) => match error.code {
            Some(_) => Err(error.to_io()),
            None => Ok(()),
        },
        other => Err(io::Error::other(format!("unexpected answer {other:?}"))),
    }
}
