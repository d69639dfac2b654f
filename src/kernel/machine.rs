//! What this machine does and what it does not: looked at, and tried out where nobody sees it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::fd::OwnedFd,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags},
    unistd::{AccessFlags, faccessat},
};

use super::{KernelError, link, netns, sysctl};
use crate::model::machine::{DeviceKind, Lack, RefusedValue, Trial};

/// What can be seen without trying.
pub fn lacks() -> Vec<Lack> {
    let mut lacks = Vec::new();
    if !Path::new("/proc/sys/net/ipv6/conf").exists() {
        lacks.push(Lack::Ipv6);
    }
    if may_write(Path::new("/proc/sys/net/ipv4/ip_forward")) == Err(Errno::EROFS) {
        lacks.push(Lack::WritableSysctls);
    }
    lacks.extend(folder());
    lacks
}

/// Which boot it is.
pub fn boot() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// How many network namespaces may be made here.
pub fn namespace_limit() -> Option<u64> {
    fs::read_to_string("/proc/sys/user/max_net_namespaces").ok()?.trim().parse().ok()
}

/// The folder where namespaces get their names, or the one that it is to be made in.
fn folder() -> Option<Lack> {
    let made = Path::new(netns::DIRECTORY);
    let path = made.ancestors().find(|path| path.exists())?;
    let errno = may_write(path).err()?;
    let why = match errno {
        Errno::EROFS => "it is on a file system that is read-only".to_owned(),
        Errno::EACCES | Errno::EPERM => "this process may not write there".to_owned(),
        other => io::Error::from(other).to_string(),
    };
    Some(Lack::WritableFolder(path.display().to_string(), why))
}

/// With the rights that this process has now: those of its real user, which are asked for otherwise, count for less where
/// it has capabilities.
fn may_write(path: &Path) -> Result<(), Errno> {
    faccessat(AT_FDCWD, path, AccessFlags::W_OK, AtFlags::AT_EACCESS)
}

/// What became of a trial.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The values of sysctls; `None` where there is no such key, and nothing of what cannot be read.
    pub sysctls: BTreeMap<String, Option<String>>,
    /// What was written in vain.
    pub refused: Vec<RefusedValue>,
    /// What could not be made.
    pub lacks: Vec<Lack>,
}

/// Tries things out: devices where nothing comes of it, sysctls in a namespace that is made for it and goes at once.
pub fn try_out(host: &OwnedFd, trial: &Trial) -> Result<Outcome, KernelError> {
    let lacks = devices(host, &trial.kinds)?;
    if trial.sysctls.is_empty() && trial.values.is_empty() {
        return Ok(Outcome { lacks, ..Outcome::default() });
    }
    netns::in_throwaway("cannot make a namespace to try things out in", || {
        let mut outcome = Outcome { lacks, ..Outcome::default() };
        for key in &trial.sysctls {
            // Some cannot be read until they have been written.
            let value = sysctl::read(key).ok();
            outcome.sysctls.extend(value.map(|value| (key.clone(), value)));
        }
        let there = |key: &String| outcome.sysctls.get(key).is_none_or(Option::is_some);
        let values = trial.values.iter().filter(|(key, _)| there(key));
        outcome.refused = values.filter_map(|(key, value)| refused(key, value)).collect();
        Ok(outcome)
    })
}

fn refused(key: &str, value: &str) -> Option<RefusedValue> {
    let error = sysctl::write(key, value).err()?;
    // That nothing at all can be written is said elsewhere.
    (!error.is(Errno::EROFS)).then(|| RefusedValue {
        key: key.to_owned(),
        value: value.to_owned(),
        why: error.reason().to_owned(),
    })
}

/// Which kinds of devices this kernel does not know. It is asked for one that it can make of no kind: what it knows it finds
/// wrong, and nothing is made that would have to go again.
fn devices(host: &OwnedFd, kinds: &BTreeSet<DeviceKind>) -> Result<Vec<Lack>, KernelError> {
    if kinds.is_empty() {
        return Ok(Vec::new());
    }
    let mut socket = netns::socket_in(host)?;
    let mut lacks = Vec::new();
    for kind in kinds {
        let what = || format!("cannot try to make a {}", kind.as_str());
        let request = link::impossible(kind.as_str());
        let refused = socket.send(&[request]).map_err(|error| error.into_error(what()))?;
        let unknown = refused.into_iter().map(|(_, refusal)| refusal).find(|it| it.errno == Errno::EOPNOTSUPP as i32);
        lacks.extend(unknown.map(|it| Lack::Device(*kind, it.into_error(what()).reason().to_owned())));
    }
    Ok(lacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_in_vain_is_not_made() {
        let host = netns::own().unwrap();
        assert!(devices(&host, &[DeviceKind::Veth, DeviceKind::Bridge].into()).unwrap().is_empty());
        let mut socket = netns::open_socket().unwrap();
        let refused = socket.send(&[link::impossible("no-such-kind"), link::impossible("veth")]).unwrap();
        let errnos: Vec<Errno> = refused.iter().map(|(_, refusal)| Errno::from_raw(refusal.errno)).collect();
        let is_root = nix::unistd::geteuid().is_root();
        assert!(
            errnos == [Errno::EOPNOTSUPP, Errno::EINVAL] || (!is_root && errnos == [Errno::EPERM; 2]),
            "{errnos:?}"
        );
    }
}
