//! Who is who inside. A user becomes root, and all others nobody: the kernel lets a user write no other map. Real root
//! keeps all users as they are: else it could not read the files of the user that called sudo.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use nix::unistd::{Gid, Uid, getegid, geteuid};

use super::{EXE, GAVE_UP, SandboxError, error::failed, own_id};

/// What the process calls itself that writes the map of all users.
pub(super) const WRITER: &str = "netwright: sandbox id map";

/// The map of users and groups for the namespace that comes next.
pub(super) struct IdMap {
    uid: Uid,
    gid: Gid,
    /// The map of all users is written by a process that stays outside: rights inside do not suffice.
    writer: Option<Child>,
}

impl IdMap {
    /// Notes who we are outside.
    pub(super) fn prepare() -> Result<Self, SandboxError> {
        let (uid, gid) = (geteuid(), getegid());
        let writer = match uid.is_root() {
            false => None,
            true => {
                let mut writer = Command::new(EXE);
                writer.arg0(WRITER).arg(own_id()?.to_string());
                Some(writer.stdin(Stdio::piped()).spawn().map_err(failed("starting a helper"))?)
            }
        };
        Ok(Self { uid, gid, writer })
    }

    /// Writes it, once inside.
    pub(super) fn write(self) -> Result<(), SandboxError> {
        if let Some(mut writer) = self.writer
            // Waiting closes its standard input first, which tells it to go on.
            && writer.wait().map_err(failed("waiting for a helper"))?.success()
        {
            return Ok(());
        }
        // The kernel wants it before the map of groups.
        fs::write("/proc/self/setgroups", "deny").map_err(failed("/proc/self/setgroups"))?;
        fs::write("/proc/self/uid_map", format!("0 {} 1", self.uid)).map_err(failed("/proc/self/uid_map"))?;
        fs::write("/proc/self/gid_map", format!("0 {} 1", self.gid)).map_err(failed("/proc/self/gid_map"))
    }
}

/// The writer: waits until its standard input ends, then maps everyone to themselves for the given process.
pub(super) fn write_for(mut args: impl Iterator<Item = OsString>) -> Result<u8, SandboxError> {
    let process = args.next().unwrap_or_default();
    let process = process.to_string_lossy();
    // Of its content there is none.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    for map in ["gid_map", "uid_map"] {
        let Ok(own) = fs::read_to_string(format!("/proc/self/{map}")) else { return Ok(GAVE_UP) };
        if fs::write(format!("/proc/{process}/{map}"), identity(&own)).is_err() {
            // The caller has another way.
            return Ok(GAVE_UP);
        }
    }
    Ok(0)
}

/// The map under which everyone whom a namespace knows stays who they are, from that namespace's own map.
fn identity(own: &str) -> String {
    let lines = own.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace();
        let (first, count) = (numbers.next()?, numbers.nth(1)?);
        Some(format!("{first} {first} {count}\n"))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::identity;

    #[test]
    fn everyone_stays_who_they_are() {
        assert_eq!(identity("         0          0 4294967295\n"), "0 0 4294967295\n");
        assert_eq!(identity("0 1000 1\n1 100000 65536\n"), "0 0 1\n1 1 65536\n");
        assert_eq!(identity(""), "");
    }
}
