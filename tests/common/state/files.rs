//! Sysctls of a namespace, and what lies below `/run`.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::Path,
};

use nix::{
    dir::{Dir, Type},
    fcntl::{OFlag, openat},
    sys::{
        stat::Mode,
        statfs::{NSFS_MAGIC, statfs},
    },
};

use super::Section;

/// Parts of the names of sysctls that are left out: a secret made up for each namespace, and what is counted.
const VOLATILE: [&str; 3] = ["stable_secret", "tcp_fastopen_key", "nf_conntrack_count"];

/// The sysctls of the calling thread's namespace that are no device's own.
pub fn sysctls(section: &mut Section) {
    let mut lines = Vec::with_capacity(400);
    let net = File::open("/proc/sys/net").expect("/proc/sys/net");
    for folder in ["ipv4", "ipv6", "bridge", "netfilter"] {
        if let Ok(folder_of_it) = open_at(&net, folder, OFlag::O_DIRECTORY) {
            walk(&folder_of_it, &format!("net/{folder}"), &mut lines);
        }
    }
    assert!(lines.len() > 100, "sysctls were not read");
    section.insert("sysctl".to_owned(), lines);
}

/// By the folder, not by its path: the kernel keeps the folders of all namespaces that have one path in one chain, and walks that
/// for each lookup.
fn walk(folder: &File, path: &str, lines: &mut Vec<String>) {
    let per_device = path.ends_with("/conf") || path.ends_with("/neigh");
    let mut entries = Dir::from_fd(folder.try_clone().expect("a descriptor").into()).expect("a folder");
    for entry in entries.iter().flatten() {
        let name = entry.file_name().to_str().expect("a sysctl's name");
        if entry.file_type() == Some(Type::Directory) {
            let is_wanted = if per_device { matches!(name, "all" | "default") } else { !name.starts_with('.') };
            if is_wanted && let Ok(below) = open_at(folder, name, OFlag::O_DIRECTORY) {
                walk(&below, &format!("{path}/{name}"), lines);
            }
        } else if !VOLATILE.iter().any(|part| name.contains(part)) {
            let mut value = [0; 4096];
            // Some can only be written.
            if let Ok(length) = open_at(folder, name, OFlag::empty()).and_then(|mut file| file.read(&mut value)) {
                let value = String::from_utf8_lossy(&value[..length]);
                lines.push(format!("{path}/{name} = {}", value.trim_end()));
            }
        }
    }
}

fn open_at(folder: &File, name: &str, flags: OFlag) -> std::io::Result<File> {
    Ok(openat(folder, name, flags | OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?.into())
}

/// The names below `/run/netns`, sorted.
pub fn names() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The same in the order of their making: of two names of one namespace the first is the namespace's.
pub fn by_age() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo");
    let mounts = table.lines().filter_map(|line| line.split(' ').nth(4)?.strip_prefix("/run/netns/"));
    let mut names: Vec<String> = mounts.map(str::to_owned).collect();
    names.dedup();
    let rest: Vec<String> = self::names().into_iter().filter(|name| !names.contains(name)).collect();
    names.extend(rest);
    names
}

/// Names of namespaces, the tool's own files, and mounts.
pub fn below_run(section: &mut Section) {
    for name in names() {
        let path = format!("/run/netns/{name}");
        section.insert(format!("name {name}"), vec![content(Path::new(&path))]);
    }
    files(Path::new("/run/netwright"), section);
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo");
    section.insert("mount".to_owned(), table.lines().filter_map(mount).collect());
}

/// Every file below a folder; a folder that holds nothing but locks is as good as none.
fn files(folder: &Path, section: &mut Section) -> bool {
    let mut found = false;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        found |= if is_folder {
            files(&path, section)
        } else if name != "lock" && name != ".lock" {
            section.insert(format!("file {}", path.display()), vec![content(&path)]);
            true
        } else {
            false
        };
    }
    found
}

/// What a name leads to, in words.
fn content(path: &Path) -> String {
    if statfs(path).is_ok_and(|stat| stat.filesystem_type() == NSFS_MAGIC) {
        return "is a namespace".to_owned();
    }
    let Ok(meta) = path.symlink_metadata() else { return "is gone".to_owned() };
    let (kind, mode) = (meta.file_type(), meta.permissions().mode() & 0o7777);
    let owner = if meta.uid() == nix::unistd::getuid().as_raw() { "" } else { ", owned by somebody else" };
    if kind.is_file() {
        let bytes = fs::read(path).unwrap_or_default();
        format!("is a file, mode {mode:o}{owner}: {}", String::from_utf8_lossy(&bytes).escape_debug())
    } else if kind.is_symlink() {
        format!("leads to {:?}", fs::read_link(path))
    } else {
        format!("is {}{owner}", if kind.is_fifo() { "a FIFO" } else { "something else" })
    }
}

/// A mount below `/run` without its numbers: `ID PARENT DEVICE ROOT POINT OPTIONS [SHARED]… - TYPE SOURCE OPTIONS`.
fn mount(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (root, point, options) = (words.get(3)?, words.get(4)?, words.get(5)?);
    let end = words.iter().position(|word| *word == "-")?;
    let kind = words.get(end + 1)?;
    // A namespace's root is its number.
    let root = if *kind == "nsfs" { root.split(':').next()? } else { root };
    let shared = if words[6..end].iter().any(|word| word.starts_with("shared:")) { ", shared" } else { "" };
    let below = *point == "/run" || point.starts_with("/run/");
    below.then(|| format!("{point}: {kind} {root}, {options}{shared}"))
}
