//! Sysctls: files below `/proc/sys`, of which those in `net` are the calling thread's namespace's own.

use std::{fs, io, path::PathBuf};

use super::KernelError;

/// Whether a key names a file below `/proc/sys/net` and nothing else. One comes from a file, a memo or a record: it must
/// not lead out of the folder, nor to what is the whole machine's.
pub fn is_key(key: &str) -> bool {
    let stays = !key.contains('\0') && key.split('/').all(|part| !matches!(part, "" | "." | ".."));
    stays && key.starts_with("net/")
}

fn path(key: &str) -> Result<PathBuf, KernelError> {
    if !is_key(key) {
        let what = format!("cannot use sysctl `{}`", key.escape_debug());
        return Err(KernelError::message(what, "that is no key"));
    }
    Ok(PathBuf::from("/proc/sys").join(key))
}

/// The value in the calling thread's namespace; `None` where this kernel has no such key. Columns are one space apart.
pub fn read(key: &str) -> Result<Option<String>, KernelError> {
    match fs::read_to_string(path(key)?) {
        Ok(value) => Ok(Some(normal(&value))),
        Err(error) if missing(&error) => Ok(None),
        Err(error) => Err(KernelError::io(format!("cannot read sysctl {key}"), error)),
    }
}

/// The keys that a key with a `*` for one of its parts stands for here; any other stands for itself.
pub fn expand(key: &str) -> Result<Vec<String>, KernelError> {
    let Some((head, tail)) = key.split_once("/*/") else { return Ok(vec![key.to_owned()]) };
    let folder = path(head)?;
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(KernelError::io(format!("cannot list the sysctls below {head}"), error)),
    };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
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
    let path = path(key)?;
    // Never creates: below /proc/sys that is refused with an errno that says nothing.
    let written = fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()));
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
