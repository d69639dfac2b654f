//! Whether this process may do what it will have to, asked before anything is touched.

use std::{fs, path::Path};

use nix::errno::Errno;

use super::{
    KernelError,
    folder::{self, Folder},
    link, netns,
};
use crate::op::LinkChange;

const CAP_DAC_OVERRIDE: u32 = 1;
const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;
const CAP_SYS_ADMIN: u32 = 21;
const STATUS: &str = "/proc/thread-self/status";

/// Both capabilities that namespaces and links need, and that what is remembered can be believed.
pub fn check() -> Result<(), KernelError> {
    let status = fs::read_to_string(STATUS).map_err(|error| KernelError::io(format!("cannot read {STATUS}"), error))?;
    check_status(&status)?;
    check_owner()?;
    Folder::find(Path::new(folder::ROOT))
        .map(drop)
        .map_err(|error| KernelError::io("cannot use what is remembered of topologies", error))
}

/// Whether users are who they are on the machine.
pub fn is_first_user_namespace() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Why a file of somebody else's is closed to this process: a fragment after the kernel's words, empty where it does not
/// lack the right to open all.
pub fn why_closed() -> &'static str {
    let effective = fs::read_to_string(STATUS).ok().and_then(|status| effective(&status));
    match effective.is_some_and(|effective| effective & (1 << CAP_DAC_OVERRIDE) == 0) {
        true => "; this process lacks CAP_DAC_OVERRIDE, without which it must own the folder: run it with sudo",
        false => "",
    }
}

/// Capabilities are those of a user namespace, and count for nothing in a network namespace that another one owns. Asked by
/// a change to a device that does not exist: whoever may not make it is told so first.
fn check_owner() -> Result<(), KernelError> {
    const NO_DEVICE: u32 = 0x7fff_ffff;
    let what = "cannot find out whether this process may change links";
    let request = link::set(NO_DEVICE, &LinkChange { up: Some(false), ..LinkChange::default() });
    let refused = netns::open_socket()?.send(&request).map_err(|error| error.into_error(what))?;
    match refused.first() {
        Some((_, refusal)) if refusal.errno == Errno::EPERM as i32 => {
            let why = "this process is root of a user namespace that does not own its network namespace";
            let hint = "give it a network namespace of its own (`netwright sandbox`, unshare --map-root-user --net), or \
                        run it with sudo";
            Err(KernelError::message("cannot manage network namespaces", why).hint(Some(hint)))
        }
        _ => Ok(()),
    }
}

/// What pings take.
pub fn check_pings() -> Result<(), KernelError> {
    let status = fs::read_to_string(STATUS).map_err(|error| KernelError::io(format!("cannot read {STATUS}"), error))?;
    check_capabilities(&status, "cannot send the pings of the checks", &[(CAP_NET_RAW, "CAP_NET_RAW")])
}

fn check_status(status: &str) -> Result<(), KernelError> {
    let needed = [(CAP_NET_ADMIN, "CAP_NET_ADMIN"), (CAP_SYS_ADMIN, "CAP_SYS_ADMIN")];
    check_capabilities(status, "cannot manage network namespaces", &needed)
}

fn check_capabilities(status: &str, what: &str, needed: &[(u32, &str)]) -> Result<(), KernelError> {
    let effective = effective(status)
        .ok_or_else(|| KernelError::message(format!("cannot read {STATUS}"), "it has no CapEff line"))?;
    let missing: Vec<_> = needed.iter().filter(|(bit, _)| effective & (1 << bit) == 0).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!("this process lacks {}", missing.join(" and "));
    Err(KernelError::message(what, why)
        .hint(Some("run it with sudo, or try things out without root in `netwright sandbox`")))
}

/// The capabilities that count, as bits.
fn effective(status: &str) -> Option<u64> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert!(check_status("Name:\tx\nCapEff:\t000001ffffffffff\n").is_ok());
        let none = check_status("CapEff:\t0000000000000000\n").unwrap_err().to_string();
        assert!(none.contains("CAP_NET_ADMIN and CAP_SYS_ADMIN") && none.contains("netwright sandbox"), "{none}");
        let one = check_status("CapEff:\t0000000000001000\n").unwrap_err().to_string();
        assert!(one.contains("lacks CAP_SYS_ADMIN") && !one.contains("CAP_NET_ADMIN"), "{one}");
        assert!(check_status("").is_err());
    }
}
