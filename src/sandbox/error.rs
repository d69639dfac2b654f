//! What keeps a sandbox from running, and what can be done about it.

use std::{ffi::OsString, fs, io, path::Path};

use nix::errno::Errno;
use thiserror::Error;

/// Why there is no sandbox, or no command in it.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The kernel does not let this user have namespaces.
    #[error("the sandbox cannot have namespaces of its own: {source}\n{help}")]
    Forbidden {
        /// What the kernel said.
        source: io::Error,
        /// Which setting forbids it, and what to do.
        help: String,
    },
    /// A step of the setup failed.
    #[error("{what} for the sandbox failed: {source}")]
    Setup {
        /// Which step.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The command did not start.
    #[error("{program:?} cannot be run: {source}")]
    Command {
        /// Its name.
        program: OsString,
        /// Why.
        source: io::Error,
    },
}

impl SandboxError {
    /// The exit status by the shell's convention: 127 for a command that does not exist, 126 for one that cannot be run.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Command { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Command { .. } => 126,
            Self::Forbidden { .. } | Self::Setup { .. } => 1,
        }
    }
}

/// For `map_err`: the step that failed.
pub(super) fn failed<E: Into<io::Error>>(what: &str) -> impl FnOnce(E) -> SandboxError {
    move |error| SandboxError::Setup { what: what.into(), source: error.into() }
}

/// A refusal of the namespaces themselves, with its likely reason.
pub(super) fn forbidden(errno: Errno) -> SandboxError {
    let help = reason(errno, |key| {
        fs::read_to_string(Path::new("/proc/sys").join(key.replace('.', "/"))).ok().map(|value| value.trim().into())
    });
    SandboxError::Forbidden { source: errno.into(), help }
}

/// The setting that explains a refusal. `sysctl` reads one.
fn reason(errno: Errno, sysctl: impl Fn(&str) -> Option<String>) -> String {
    for (key, forbids, allows) in [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "10000"),
        ("user.max_net_namespaces", "0", "10000"),
        ("user.max_mnt_namespaces", "0", "10000"),
        ("user.max_pid_namespaces", "0", "10000"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ] {
        if sysctl(key).as_deref() == Some(forbids) {
            return format!(
                "the sysctl {key} is {forbids}, which forbids it: `sudo sysctl -w {key}={allows}`, or run this as root"
            );
        }
    }
    match errno {
        Errno::ENOSPC | Errno::EUSERS => "the limits of namespaces are reached (sysctls user.max_user_namespaces, \
             user.max_net_namespaces), or they are nested too deeply: raise them, or end what holds namespaces"
            .into(),
        Errno::EINVAL => "this kernel has no user namespaces (CONFIG_USER_NS), or the process has several threads".into(),
        _ => "a container's seccomp or AppArmor profile may forbid it, or the process is in a chroot: run this as root, \
             or the container with `--privileged` (or with `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`)"
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_setting_behind_it() {
        for (key, value) in [
            ("kernel.unprivileged_userns_clone", "0"),
            ("user.max_user_namespaces", "0"),
            ("kernel.apparmor_restrict_unprivileged_userns", "1"),
        ] {
            let help = reason(Errno::EPERM, |asked| (asked == key).then(|| value.into()));
            assert!(help.contains(&format!("the sysctl {key} is {value}")), "{help}");
        }
        // Settings that allow it explain nothing.
        let allowed = |key: &str| Some(if key.starts_with("kernel.app") { "0" } else { "1000" }.to_owned());
        assert!(reason(Errno::EPERM, allowed).contains("seccomp"));
        assert!(reason(Errno::ENOSPC, allowed).contains("nested too deeply"));
    }

    #[test]
    fn exit_codes_are_the_shells() {
        let command = |kind: io::ErrorKind| SandboxError::Command { program: "x".into(), source: kind.into() };
        assert_eq!(command(io::ErrorKind::NotFound).exit_code(), 127);
        assert_eq!(command(io::ErrorKind::PermissionDenied).exit_code(), 126);
        assert_eq!(forbidden(Errno::EPERM).exit_code(), 1);
    }
}
