//! Sysctls: files below `/proc/sys`, of which those in `net` are the calling thread's namespace's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read as _},
    path::PathBuf,
};

use nix::{dir::Dir, fcntl::OFlag};

use super::{KernelError, netconf, netlink::RouteSocket, procfs::Procfs};
use crate::model::snapshot::LinkState;

/// Whether a namespace has IPv6 off: written for all, it is off on each device.
pub const IPV6_OFF: &str = "net/ipv6/conf/all/disable_ipv6";
/// Whether it is off on devices that come.
const IPV6_OFF_FOR_NEW: &str = "net/ipv6/conf/default/disable_ipv6";

/// More than any value has.
const LARGEST: usize = 4096;

/// Whether a key names a file below `/proc/sys/net` and nothing else. One comes from a file, a memo or a record: it must
/// not lead out of the folder, nor to what is the whole machine's.
pub fn is_key(key: &str) -> bool {
    let stays = !key.contains('\0') && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
    stays && key.starts_with("net/")
}

/// Where a key's file is below `/proc`.
fn below(key: &str) -> Result<PathBuf, KernelError> {
    if !is_key(key) {
        let what = format!("cannot use sysctl `{}`", key.escape_debug());
        return Err(KernelError::message(what, "that is no key"));
    }
    Ok(PathBuf::from("sys").join(key))
}

fn path(key: &str) -> Result<PathBuf, KernelError> {
    Ok(PathBuf::from("/proc").join(below(key)?))
}

/// Reads the sysctls of many namespaces, one after the other.
#[derive(Debug, Default)]
pub struct Reader {
    procfs: Option<Procfs>,
}

impl Reader {
    /// The values in the calling thread's namespace, which is another one than at the last call: `None` of those that
    /// this kernel has not. A key with a `*` for one of its parts stands for several. What may be left out unless all is
    /// wanted, [`ReadRequest::exact`](crate::model::snapshot::ReadRequest) says.
    pub fn read(
        &mut self,
        keys: &BTreeSet<String>,
        is_exact: bool,
        socket: &mut RouteSocket,
        links: &[LinkState],
    ) -> Result<BTreeMap<String, Option<String>>, KernelError> {
        let mut values = BTreeMap::new();
        let told = netconf::read(socket, keys.iter().map(String::as_str))
            .map_err(|error| error.into_error("cannot read what is forwarded"))?;
        values.extend(told.into_iter().map(|(key, value)| (key.to_owned(), Some(value))));
        // On again for each device, it says nothing.
        if keys.contains(IPV6_OFF) && all_speak_ipv6(links) {
            values.insert(IPV6_OFF.to_owned(), Some("0".to_owned()));
        }
        let left = left(keys, &values, is_exact, links);
        if left.is_empty() {
            return Ok(values);
        }
        let procfs = self.enter().map_err(|error| KernelError::io("cannot open /proc", error))?;
        for key in left {
            for key in expand_in(procfs, key)? {
                let value = read_in(procfs, &key)?;
                values.insert(key, value);
            }
        }
        Ok(values)
    }

    fn enter(&mut self) -> io::Result<&Procfs> {
        let procfs = match self.procfs.take() {
            Some(mut procfs) => {
                procfs.next()?;
                procfs
            }
            None => Procfs::new()?,
        };
        Ok(self.procfs.insert(procfs))
    }
}

/// Of the keys that are asked for, those that have to be read beside what is known already.
pub fn left<'k>(
    keys: &'k BTreeSet<String>,
    known: &BTreeMap<String, Option<String>>,
    is_exact: bool,
    links: &[LinkState],
) -> Vec<&'k String> {
    let may_wait = |key: &str| key == IPV6_OFF_FOR_NEW && all_speak_ipv6(links) && !is_exact;
    keys.iter().filter(|key| !known.contains_key(*key) && !may_wait(key)).collect()
}

fn all_speak_ipv6(links: &[LinkState]) -> bool {
    links.iter().all(|link| link.ipv6 == Some(true))
}

/// The value in the calling thread's namespace; `None` where this kernel has no such key. Columns are one space apart.
pub fn read(key: &str) -> Result<Option<String>, KernelError> {
    match fs::read_to_string(path(key)?) {
        Ok(value) => Ok(Some(normal(&value))),
        Err(error) if missing(&error) => Ok(None),
        Err(error) => Err(KernelError::io(format!("cannot read sysctl {key}"), error)),
    }
}

fn read_in(procfs: &Procfs, key: &str) -> Result<Option<String>, KernelError> {
    let file = match procfs.open(&below(key)?, OFlag::O_RDONLY) {
        Ok(fd) => File::from(fd),
        Err(error) if missing(&error) => return Ok(None),
        Err(error) => return Err(KernelError::io(format!("cannot read sysctl {key}"), error)),
    };
    // The kernel gives a value as a whole.
    let mut value = [0; LARGEST];
    match (&file).read(&mut value) {
        Ok(length) => Ok(Some(normal(&String::from_utf8_lossy(&value[..length])))),
        Err(error) if missing(&error) => Ok(None),
        Err(error) => Err(KernelError::io(format!("cannot read sysctl {key}"), error)),
    }
}

/// The keys that a key with a `*` for one of its parts stands for here; any other stands for itself.
fn expand_in(procfs: &Procfs, key: &str) -> Result<Vec<String>, KernelError> {
    let Some((head, tail)) = key.split_once("/*/") else { return Ok(vec![key.to_owned()]) };
    let opened = procfs.open(&below(head)?, OFlag::O_RDONLY | OFlag::O_DIRECTORY);
    let mut folder = match opened.and_then(|fd| Ok(Dir::from_fd(fd)?)) {
        Ok(folder) => folder,
        Err(error) if missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(KernelError::io(format!("cannot list the sysctls below {head}"), error)),
    };
    let names = folder.iter().flatten().filter_map(|entry| entry.file_name().to_str().map(str::to_owned).ok());
    let names = names.filter(|name| !matches!(&**name, "." | ".."));
    let mut keys: Vec<String> = names.map(|name| format!("{head}/{name}/{tail}")).collect();
    keys.sort();
    Ok(keys)
}

/// A value as it is compared: columns one space apart.
pub fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Writes a value in the calling thread's namespace.
pub fn write(key: &str, value: &str) -> Result<(), KernelError> {
    // Never creates: below /proc/sys that is refused with an errno that says nothing.
    write_to(fs::OpenOptions::new().write(true).open(path(key)?), key, value)
}

/// The same by way of a `/proc` of our own.
pub fn write_in(procfs: &Procfs, key: &str, value: &str) -> Result<(), KernelError> {
    write_to(procfs.open(&below(key)?, OFlag::O_WRONLY).map(File::from), key, value)
}

fn write_to(file: io::Result<File>, key: &str, value: &str) -> Result<(), KernelError> {
    let written = file.and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
    written.map_err(|error| {
        let hint = match error.raw_os_error() {
            Some(nix::libc::ENOENT) => Some("this kernel has no such sysctl in this namespace"),
            Some(nix::libc::EROFS) => Some("/proc/sys is read-only here, as in a container"),
            Some(nix::libc::EINVAL) => Some("the kernel does not take that value"),
            Some(nix::libc::EACCES | nix::libc::EPERM) => Some("it cannot be written here"),
            _ => None,
        };
        KernelError::io(format!("cannot set sysctl {key} to {value}"), error).hint(hint)
    })
}

/// Puts a value back where the key still exists and holds another.
pub fn restore(key: &str, value: &str) -> Result<(), KernelError> {
    match read(key)? {
        Some(now) if now != normal(value) => match write(key, value) {
            Err(error) if error.is(nix::errno::Errno::ENOENT) => Ok(()),
            done => done,
        },
        _ => Ok(()),
    }
}

fn missing(error: &io::Error) -> bool {
    // A device that goes while its folder is open yields ENODEV or EINVAL in some of its keys.
    matches!(error.raw_os_error(), Some(nix::libc::ENOENT | nix::libc::ENOTDIR | nix::libc::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_leads_out_of_the_folder() {
        for bad in ["", "/etc/passwd", "../x", "kernel/core_pattern", "net/../../x", "net//x", "net/", "a\0"] {
            assert!(read(bad).is_err(), "{bad:?} was read");
            assert!(write(bad, "1").is_err(), "{bad:?} was written");
        }
    }

    #[test]
    fn a_missing_key_is_none_and_cannot_be_written() {
        assert_eq!(read("net/ipv4/no_such_key").unwrap(), None);
        let error = write("net/ipv4/no_such_key", "1").unwrap_err().to_string();
        assert!(error.contains("net/ipv4/no_such_key") && error.contains("no such sysctl"), "{error}");
    }

    #[test]
    fn columns_are_one_space_apart() {
        assert_eq!(normal("32768\t60999\n"), "32768 60999");
    }
}
