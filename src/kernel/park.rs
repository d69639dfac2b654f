//! Namespaces that a run has set aside: their names are gone, and they themselves are bound below the topology's own
//! folder until the run is over. Whatever is inside lives on, and a run that fails, or was killed, gives them back whole.

use std::{
    fs::{self, OpenOptions},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use super::{
    KernelError,
    folder::{Folder, ROOT},
    netns::{self, Opened},
};
use crate::model::{Mark, TopologyName};

/// The folder in that of a topology.
const KEPT: &str = "kept";

/// A namespace of a topology, by what it is called and what it is.
#[derive(Debug, Clone, Copy)]
pub struct Namespace<'a> {
    /// Its name below `/run/netns`.
    pub name: &'a str,
    /// Its mark.
    pub mark: &'a Mark,
    /// Its inode: another one that has got the name is somebody else's.
    pub inode: u64,
}

impl Namespace<'_> {
    fn kept(&self) -> PathBuf {
        folder(&self.mark.topology).join(self.inode.to_string())
    }

    /// Takes its name away and keeps it. Nothing happens where it has gone by itself; a file that was left behind under
    /// its name goes.
    pub fn park(&self) -> Result<(), KernelError> {
        let fd = match netns::open(self.name)? {
            Opened::Namespace(fd) => fd,
            Opened::Stale => return netns::delete(self.name),
            Opened::Gone => return Ok(()),
        };
        let what = || format!("cannot set namespace `{}` aside", self.name);
        if netns::inode(&fd)? != self.inode {
            return Err(KernelError::message(what(), "another program has put another namespace in its place"));
        }
        let fail = |error| KernelError::io(what(), error);
        let kept = self.kept();
        match keep(&netns::path(self.name)?, &kept) {
            // The first one makes the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder(&self.mark.topology).map_err(fail)?;
                keep(&netns::path(self.name)?, &kept).map_err(fail)?;
            }
            bound => bound.map_err(fail)?,
        }
        netns::delete(self.name)
    }

    /// Gives it its name back.
    pub fn unpark(&self) -> Result<(), KernelError> {
        let fail = |error| KernelError::io(format!("cannot give namespace `{}` its name back", self.name), error);
        bind(&self.kept(), &netns::path(self.name)?, self.mark).map_err(fail)?;
        netns::release(&self.kept()).map_err(fail)
    }
}

/// Lets a namespace that was set aside go, and yields what still holds it; `None` where it is not there any more.
pub fn drop(topology: &TopologyName, inode: u64) -> Result<Option<OwnedFd>, KernelError> {
    let path = folder(topology).join(inode.to_string());
    let fail = |error| KernelError::io(format!("cannot remove {}", path.display()), error);
    let held = match netns::open_path(&path)? {
        Opened::Namespace(fd) => Some(fd),
        Opened::Stale => None,
        Opened::Gone => return Ok(None),
    };
    netns::release(&path).map_err(fail)?;
    Ok(held)
}

/// The namespaces that runs of a topology have set aside, by inode.
pub fn kept(topology: &TopologyName) -> Result<Vec<u64>, KernelError> {
    let folder = folder(topology);
    let fail = |error| KernelError::io(format!("cannot list {}", folder.display()), error);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fail(error)),
    };
    let mut inodes = Vec::new();
    for entry in entries {
        inodes.extend(entry.map_err(fail)?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    inodes.sort_unstable();
    Ok(inodes)
}

fn make_folder(topology: &TopologyName) -> io::Result<Folder> {
    Folder::make(Path::new(ROOT))?.make_in(topology.as_str())?.make_in(KEPT)
}

fn folder(topology: &TopologyName) -> PathBuf {
    Path::new(ROOT).join(topology.as_str()).join(KEPT)
}

/// Binds a namespace to a file in the topology's own folder, which says whose it is; one that a killed run has left there will
/// do.
fn keep(from: &Path, to: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o444).open(to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match is_same(from, to)? {
            true => return Ok(()),
            false if to.symlink_metadata()?.is_file() => {}
            false => return Err(error),
        },
        made => _ = made?,
    }
    netns::bind_over(from, to)
}

/// Binds a namespace to its name again. A place that has it already, since a run was killed just then, will do.
fn bind(from: &Path, to: &Path, mark: &Mark) -> io::Result<()> {
    match netns::bind(from, to, &mark.to_string()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_same(from, to)? => Ok(()),
        done => done,
    }
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let id = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    Ok(id(one)? == id(other)?)
}
