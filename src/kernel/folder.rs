//! Folders that are root's: what is read there is believed, and what is written there is written with all rights. So
//! nothing in them is opened through a link, and one that others may write to is not used at all.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    sys::stat::Mode,
    unistd::{UnlinkatFlags, geteuid, unlinkat},
};

use super::{error::errno_words, privilege};

/// Where what is kept beside the kernel's own state is: tmpfs, so that it lives as long as that does.
pub const ROOT: &str = "/run/netwright";

/// Far more than anything that is kept there needs, and far less than memory.
const LARGEST: u64 = 64 << 20;
/// A draft of what [`Folder::replace`] writes. The name says nothing to readers of the folder.
const DRAFT: &str = ".draft";
/// The modes of what is made: whoever could open a lock could hold it.
const FOLDER: u32 = 0o700;
const FILE: u32 = 0o600;
/// The owner of what belongs to nobody in this user namespace.
const NOBODY: u32 = 65534;

/// An open folder that nobody but this user and root can change.
#[derive(Debug)]
pub struct Folder {
    open: File,
    path: PathBuf,
}

/// Why something is not trusted: a fragment that fits after the name of what was to be done with it.
#[derive(Debug)]
struct Unsafe {
    path: PathBuf,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Link,
    NoFolder,
    NoFile,
    HardLinks,
    Owner(u32),
    Writable(u32),
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.fault {
            Fault::Link => {
                let to = fs::read_link(&self.path).unwrap_or_default();
                write!(f, "{path} is a symbolic link to `{}`, and links are not followed here; ", to.display())?;
                write!(f, "find out who made it, then remove it: rm {path}")
            }
            Fault::NoFolder => write!(f, "{path} is no folder; find out who made it, then remove it: rm {path}"),
            Fault::NoFile => write!(f, "{path} is no plain file; find out who made it, then remove it: rm -r {path}"),
            Fault::HardLinks => {
                write!(
                    f,
                    "{path} has a second name somewhere else, and what is written here would be written there; "
                )?;
                write!(f, "find out who made it, then remove it: rm {path}")
            }
            Fault::Owner(NOBODY) if !privilege::is_first_user_namespace() => write!(
                f,
                "{path} belongs to a user outside of this user namespace; give it a /run of its own, as \
                 `netwright sandbox` does"
            ),
            Fault::Owner(uid) => write!(
                f,
                "{path} belongs to user {uid}, who could change what is believed here; find out who made it, then \
                 remove it: rm -r {path}"
            ),
            Fault::Writable(mode) => write!(
                f,
                "{path} may be changed by others than its owner (its mode is {mode:04o}), and what is in it is believed; \
                 look at what is in it, then either chmod go-w {path} or rm -r {path}"
            ),
        }
    }
}

impl std::error::Error for Unsafe {}

impl Folder {
    /// A folder that is there; `None` where there is none. `path` must lead through folders that are trusted.
    pub fn find(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let fd = match nix::fcntl::open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                let fault = if path.is_symlink() { Fault::Link } else { Fault::NoFolder };
                return Err(unsafe_at(path, fault));
            }
            Err(errno) => return Err(refused(path, errno.into())),
        };
        let open = File::from(fd);
        match fault_of(&open.metadata()?) {
            Some(fault) => Err(unsafe_at(path, fault)),
            None => Ok(Some(Self { open, path: path.to_owned() })),
        }
    }

    /// A folder, made where there is none, for its owner alone whatever the umask is.
    pub fn make(path: &Path) -> io::Result<Self> {
        if let Some(folder) = Self::find(path)? {
            return Ok(folder);
        }
        match fs::DirBuilder::new().mode(FOLDER).create(path) {
            // A umask may have taken the owner's own rights away.
            Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(FOLDER))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refused(path, error)),
        }
        Self::find(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The folder of that name in it, where there is one.
    pub fn find_in(&self, name: &str) -> io::Result<Option<Self>> {
        Self::find(&self.path.join(name))
    }

    /// The folder of that name in it, made where there is none.
    pub fn make_in(&self, name: &str) -> io::Result<Self> {
        Self::make(&self.path.join(name))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a file holds; `None` where there is none.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open(name, OFlag::O_RDONLY)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Writes a file anew. It is never seen half written: a reader meets the old one or the new one.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // One that a killed run left behind, or a link that waits to be written through.
        self.remove(DRAFT)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let draft =
            openat(&self.open, DRAFT, flags, mode).map_err(|errno| refused(&self.path.join(DRAFT), errno.into()))?;
        let mut draft = File::from(draft);
        // A umask may have taken the owner's own rights away.
        let written = draft.set_permissions(fs::Permissions::from_mode(FILE)).and_then(|()| draft.write_all(bytes));
        let done = written
            .and_then(|()| Ok(renameat(&self.open, DRAFT, &self.open, name)?))
            .map_err(|error| refused(&self.path.join(name), error));
        if done.is_err() {
            // What became of it is told by the error before.
            let _ = self.remove(DRAFT);
        }
        done
    }

    /// A file to lock, made where there is none.
    pub fn open_lock(&self, name: &str) -> io::Result<File> {
        let file = self.open(name, OFlag::O_RDWR | OFlag::O_CREAT)?;
        let file = file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if file.metadata()?.mode() & 0o7777 != FILE {
            file.set_permissions(fs::Permissions::from_mode(FILE))?;
        }
        Ok(file)
    }

    /// Removes a file, or the link that is there in its place.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.open, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(refused(&self.path.join(name), errno.into())),
        }
    }

    /// The names in it.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn open(&self, name: &str, flags: OFlag) -> io::Result<Option<File>> {
        let path = || self.path.join(name);
        // A FIFO in its place must not make us wait.
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = match openat(&self.open, name, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(fd) => File::from(fd),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(unsafe_at(&path(), Fault::Link)),
            Err(Errno::EISDIR | Errno::ENXIO) => return Err(unsafe_at(&path(), Fault::NoFile)),
            Err(errno) => return Err(refused(&path(), errno.into())),
        };
        let meta = file.metadata()?;
        let fault = match meta.is_file() {
            false => Some(Fault::NoFile),
            true if meta.nlink() > 1 => Some(Fault::HardLinks),
            true => fault_of(&meta),
        };
        fault.map_or(Ok(Some(file)), |fault| Err(unsafe_at(&path(), fault)))
    }
}

/// Locks a file that others hold for a moment only. That anybody does for longer is an error.
pub fn lock_within(file: &File, path: &Path, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(refused(path, error)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => {
                let (path, seconds) = (path.display(), patience.as_secs());
                let why =
                    format!("{path} has been locked by another program for {seconds} s; `fuser {path}` tells by whom");
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
    }
}

/// What is wrong with who owns a thing and who may write it.
fn fault_of(meta: &fs::Metadata) -> Option<Fault> {
    fault(meta.uid(), meta.mode(), geteuid().as_raw())
}

fn fault(owner: u32, mode: u32, user: u32) -> Option<Fault> {
    const OTHERS_WRITE: u32 = 0o022;
    if owner != 0 && owner != user {
        return Some(Fault::Owner(owner));
    }
    (mode & OTHERS_WRITE != 0).then_some(Fault::Writable(mode & 0o7777))
}

fn unsafe_at(path: &Path, fault: Fault) -> io::Error {
    io::Error::other(Unsafe { path: path.to_owned(), fault })
}

/// What the kernel said, with the object and, where that is why, the capability that is missing.
fn refused(path: &Path, error: io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied => format!("{}{}", words(&error), privilege::why_closed()),
        _ => words(&error),
    };
    io::Error::new(error.kind(), format!("{}: {why}", path.display()))
}

fn words(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), errno_words)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::make(&temporary.path().join("it")).unwrap();
        (temporary, folder)
    }

    #[test]
    fn what_was_written_is_read_by_its_owner_alone() {
        let (_temporary, folder) = folder();
        assert_eq!(folder.read("memo").unwrap(), None);
        folder.replace("memo", b"one").unwrap();
        folder.replace("memo", b"two").unwrap();
        assert_eq!(folder.read("memo").unwrap().unwrap(), b"two");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(folder.path()), mode(&folder.path().join("memo"))), (0o700, 0o600));
        assert_eq!(folder.names().unwrap(), ["memo"]);
        folder.remove("memo").unwrap();
        folder.remove("memo").unwrap();
        assert!(folder.names().unwrap().is_empty());
    }

    #[test]
    fn no_link_is_followed_and_nothing_is_waited_for() {
        let (temporary, folder) = folder();
        let foreign = temporary.path().join("foreign");
        fs::write(&foreign, "theirs").unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink(&foreign, at("soft")).unwrap();
        symlink(temporary.path().join("none"), at("dangling")).unwrap();
        fs::hard_link(&foreign, at("hard")).unwrap();
        fs::create_dir(at("dir")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        for (name, word) in [
            ("soft", "is a symbolic link to"),
            ("dangling", "is a symbolic link to"),
            ("hard", "has a second name"),
            ("dir", "is no plain file"),
            ("fifo", "is no plain file"),
        ] {
            for error in [folder.read(name).unwrap_err(), folder.open_lock(name).unwrap_err()] {
                let said = error.to_string();
                assert!(said.contains(word) && said.contains(&format!("{}", at(name).display())), "{name}: {said}");
            }
        }
        // A name that is written anew is taken from the link, and the link's target keeps what it had.
        symlink(&foreign, at(DRAFT)).unwrap();
        for name in ["soft", "hard", "dangling", "fifo"] {
            folder.replace(name, b"ours").unwrap();
            assert_eq!(folder.read(name).unwrap().unwrap(), b"ours");
        }
        assert_eq!(fs::read_to_string(&foreign).unwrap(), "theirs");
        assert!(!temporary.path().join("none").exists());
    }

    #[test]
    fn a_folder_that_is_a_link_or_open_to_others_is_not_used() {
        let (temporary, folder) = folder();
        let link = temporary.path().join("link");
        symlink(folder.path(), &link).unwrap();
        for error in [Folder::find(&link).unwrap_err(), Folder::make(&link).unwrap_err()] {
            assert!(error.to_string().contains("is a symbolic link to"), "{error}");
        }
        for mode in [0o777, 0o1777, 0o775] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            let error = Folder::find(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("its mode is {mode:04o}")) && error.contains("chmod go-w"), "{error}");
        }
        fs::write(temporary.path().join("file"), "").unwrap();
        assert!(Folder::make(&temporary.path().join("file")).unwrap_err().to_string().contains("is no folder"));
        assert!(Folder::find(&temporary.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn only_root_and_the_user_are_trusted() {
        assert_eq!(fault(0, 0o755, 1000), None);
        assert_eq!(fault(1000, 0o700, 1000), None);
        assert_eq!(fault(1000, 0o700, 0), Some(Fault::Owner(1000)));
        assert_eq!(fault(0, 0o757, 0), Some(Fault::Writable(0o757)));
    }
}
