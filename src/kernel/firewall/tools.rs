//! The iptables tools: where they are, which packet filter they speak to, and running them.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use iptables::IPTables;

use super::{super::KernelError, child, family_name};
use crate::model::snapshot::{Family, Variant};

/// Where tools are looked for. Not in the user's PATH: what runs as root must not depend on it.
const DIRECTORIES: [&str; 5] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"];
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin";
/// The same directories, since the `iptables` crate takes nothing but a static name.
const PLAIN: [&str; 5] =
    ["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables", "/bin/iptables", "/usr/local/sbin/iptables"];

/// What a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Prints the tables.
    Save,
    /// Loads tables.
    Restore,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::Restore => "restore",
        }
    }
}

/// A tool that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tool(PathBuf);

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.file_name().unwrap_or(self.0.as_os_str()).display())
    }
}

/// The packet filter that the machine's plain `iptables` speaks to; `None` where there is no iptables. Asked once.
///
/// The `iptables` crate asks, since that is what it is for. Its `new` is passed by, because it looks in the PATH; and no
/// more is asked of it, because each call is a process, `list` and `exists` hide errors, and quotes are split badly:
/// rules go through `iptables-save` and `iptables-restore`, atomically.
pub(super) fn default_variant() -> Result<Option<Variant>, KernelError> {
    static VARIANT: OnceLock<Result<Option<Variant>, KernelError>> = OnceLock::new();
    VARIANT.get_or_init(probe).clone()
}

fn probe() -> Result<Option<Variant>, KernelError> {
    let Some(cmd) = PLAIN.into_iter().find(|path| Path::new(path).exists()) else { return Ok(None) };
    let failed = |why: String| KernelError::message(format!("cannot ask {cmd} for its version"), why);
    let tool = IPTables { cmd, has_check: true, has_wait: false, is_numeric: false };
    let asked = child::unowned(move || tool.execute("filter", "--version").map_err(|error| error.to_string()));
    let output = asked.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !text.starts_with("iptables v") {
        return Err(failed(format!("it ended with {} and said: {}", output.status, one_line(&output.stderr))));
    }
    // Before 1.8 there was the one packet filter only, and the version does not name it.
    Ok(Some(if text.contains("nf_tables") { Variant::Nft } else { Variant::Legacy }))
}

/// The tool of a packet filter and family. The plain name stands in where the one with the suffix is missing and the
/// plain one speaks to that packet filter.
pub(super) fn find(variant: Variant, family: Family, action: Action, default: Option<Variant>) -> Option<Tool> {
    let program = program(family);
    let suffixed = format!("{program}-{}-{}", variant_name(variant), action.as_str());
    let plain = (default == Some(variant)).then(|| format!("{program}-{}", action.as_str()));
    [Some(suffixed), plain].into_iter().flatten().find_map(|name| {
        let paths = DIRECTORIES.iter().map(|directory| Path::new(directory).join(&name));
        paths.into_iter().find(|path| path.exists()).map(Tool)
    })
}

fn program(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

fn variant_name(variant: Variant) -> &'static str {
    match variant {
        Variant::Nft => "nft",
        Variant::Legacy => "legacy",
    }
}

/// The error where there is no iptables at all.
pub(super) fn missing() -> KernelError {
    KernelError::message(
        "gateways, nat and port forwards need iptables",
        format!("it is in none of {}", DIRECTORIES.join(", ")),
    )
    .hint(Some("install the package `iptables` (Debian, Ubuntu, Alpine, Arch) or `iptables-nft` (Fedora, RHEL)"))
}

/// The error where a packet filter is in use, or ours is in it, and its tools are missing.
pub(super) fn missing_variant(variant: Variant, family: Family) -> KernelError {
    let name = variant_name(variant);
    let what = format!("cannot read or change the {name} packet filter, which holds tables here");
    missing_tool(what, variant, family)
}

/// The error where there are tools for one family and not for the other.
pub(super) fn missing_family(variant: Variant, family: Family) -> KernelError {
    missing_tool(format!("cannot load the {} rules that the topology needs", family_name(family)), variant, family)
}

fn missing_tool(what: String, variant: Variant, family: Family) -> KernelError {
    let (program, name) = (program(family), variant_name(variant));
    let why = format!("{program}-{name}-save is in none of {}", DIRECTORIES.join(", "));
    let ip6tables = if family == Family::V6 { ", of old Alpine `ip6tables`" } else { "" };
    let package = match variant {
        Variant::Nft => "`iptables` (Debian, Ubuntu, Alpine, Arch) or `iptables-nft` (Fedora, RHEL)",
        Variant::Legacy => "`iptables` (Debian, Ubuntu, Arch) or `iptables-legacy` (Fedora, RHEL, Alpine)",
    };
    KernelError::message(what, why).hint(Some(format!("install the package {package}{ip6tables}")))
}

fn command(tool: &Tool) -> Command {
    let mut command = Command::new(&tool.0);
    // The tools load modules and libraries by their environment.
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C");
    command
}

/// Runs a save tool.
pub(super) fn save(tool: &Tool) -> Result<String, KernelError> {
    let what = || format!("cannot read the packet filter with {tool}");
    let ended = child::run(&mut command(tool), &[]).map_err(|error| KernelError::io(what(), error))?;
    if !ended.status.success() {
        return Err(KernelError::message(what(), one_line(&ended.stderr)));
    }
    String::from_utf8(ended.stdout).map_err(|_| KernelError::message(what(), "it printed what is no text"))
}

/// Why a restore tool refused a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The line of the script that it named.
    pub line: Option<String>,
    /// What it said.
    pub said: String,
    /// Whether it is about the script as a whole and no rule of it.
    pub whole: bool,
}

impl Refusal {
    /// The number of the line of the script that it named, from 1 on.
    pub(super) fn number(&self) -> Option<usize> {
        if self.whole { None } else { named_line(&self.said) }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some(line) => write!(f, "`{line}`: {}", self.said),
            None => f.write_str(&self.said),
        }
    }
}

/// How long a tool waits for the lock that it shares with the others, in seconds. Without it the legacy ones wait for ever.
const PATIENCE: &str = "5";

/// Why a tool could not be run to its end.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut => error.to_string(),
        _ => format!("cannot run it: {error}"),
    }
}

/// Runs a restore tool on a script.
pub(super) fn restore(tool: &Tool, arguments: &[&str], script: &str) -> Result<(), Refusal> {
    let whole = |said: String| Refusal { line: None, said, whole: true };
    let failed = |error: io::Error| whole(words(&error));
    let ended = child::run(command(tool).args(["-w", PATIENCE]).args(arguments), script.as_bytes()).map_err(failed)?;
    if ended.status.success() {
        return Ok(());
    }
    let said = one_line(&ended.stderr);
    if said.contains("Message too long") {
        // Root of the machine may exceed the limit on a socket's buffer, root of a user namespace may not. The line that
        // the tool names is only the last one.
        let limit = "these are too many rules for one load outside the machine's own user namespace; raise the machine's \
                     net.core.wmem_max, or run as its root";
        return Err(whole(format!("{said} ({limit})")));
    }
    if said.contains("xtables lock") {
        let held = "another program has held the lock of iptables, /run/xtables.lock, for";
        let said =
            format!("{held} {PATIENCE} s; `fuser /run/xtables.lock` tells which, and it can be tried again then");
        return Err(whole(said));
    }
    let said = if said.is_empty() { format!("it ended with {}", ended.status) } else { said };
    let number = named_line(&said);
    let line = number.and_then(|number| script.lines().nth(number.checked_sub(1)?)).map(str::to_owned);
    Err(Refusal { line, said, whole: false })
}

/// The number behind `line` in a tool's words: `line 3: RULE_APPEND failed`, `line: 3`, `line 3 failed`.
fn named_line(said: &str) -> Option<usize> {
    let (_, rest) = said.rsplit_once("line")?;
    let digits: String = rest.trim_start_matches([':', ' ']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A tool's words on one line, without the advice to read its manual.
fn one_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Try `"));
    let said = lines.collect::<Vec<_>>().join("; ");
    match said.contains("you must be root") {
        // Of rights that come with the file of netwright, nothing reaches the programs that it runs.
        true => format!("{said}: it has not the rights that this process has; run netwright with sudo"),
        false => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_a_tool_names_is_found() {
        for (said, line) in [
            ("iptables-nft-restore v1.8.9 (nf_tables):; line 12: RULE_INSERT failed (Invalid argument)", Some(12)),
            ("Couldn't load match `nosuch':No such file; Error occurred at line: 3", Some(3)),
            ("iptables-restore: line 4 failed", Some(4)),
            ("Permission denied (you must be root)", None),
            ("line", None),
        ] {
            assert_eq!(named_line(said), line, "{said}");
        }
    }

    #[test]
    fn a_tool_is_named_by_its_packet_filter_before_its_plain_name() {
        let tool = find(Variant::Legacy, Family::V6, Action::Save, Some(Variant::Nft)).unwrap();
        assert_eq!(tool.to_string(), "ip6tables-legacy-save");
        assert!(tool.0.starts_with("/usr/sbin"));
    }
}
