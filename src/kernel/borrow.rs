//! The memory of what topologies borrowed of the host: one small file a value below `/run/netwright/.host`, which
//! lives exactly as long as the kernel's own settings do.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::KernelError;
use crate::model::{TopologyName, snapshot::Borrowed};

/// Where the records are. The dot keeps them apart from the memo of a topology that is called `host`.
pub const DIRECTORY: &str = "/run/netwright/.host";
const LOCK: &str = ".lock";
const SUFFIX: &str = ".json";

/// All records by key.
pub fn all() -> Result<BTreeMap<String, Borrowed>, KernelError> {
    all_in(Path::new(DIRECTORY))
}

fn all_in(folder: &Path) -> Result<BTreeMap<String, Borrowed>, KernelError> {
    let fail = |error| KernelError::io(format!("cannot list {}", folder.display()), error);
    let mut records = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(records),
        Err(error) => return Err(fail(error)),
    };
    for entry in entries {
        let name = entry.map_err(fail)?.file_name();
        let Some(key) = name.to_str().and_then(decode) else { continue };
        // One that another run gives back in this moment is not there.
        records.extend(load(&folder.join(&name))?.map(|record| (key, record)));
    }
    Ok(records)
}

/// The records, while nobody else changes them.
pub struct Records {
    folder: PathBuf,
    _lock: File,
}

impl Records {
    /// Waits for its turn.
    pub fn lock() -> Result<Self, KernelError> {
        Self::lock_in(Path::new(DIRECTORY))
    }

    fn lock_in(folder: &Path) -> Result<Self, KernelError> {
        let path = folder.join(LOCK);
        let fail = |error| KernelError::io(format!("cannot lock {}", path.display()), error);
        fs::create_dir_all(folder).map_err(fail)?;
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
        lock.lock().map_err(fail)?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(encode(key))
    }

    /// The record of a key.
    pub fn get(&self, key: &str) -> Result<Option<Borrowed>, KernelError> {
        load(&self.path(key))
    }

    /// Notes that `user` needs a value, and says whether it is new to it. The first user's `before` stays.
    pub fn borrow(
        &self,
        key: &str,
        before: Option<&str>,
        along: &BTreeMap<String, String>,
        user: &TopologyName,
    ) -> Result<bool, KernelError> {
        let mut record = self.get(key)?.unwrap_or_else(|| Borrowed {
            before: before.map(str::to_owned),
            along: along.clone(),
            users: Default::default(),
        });
        let fresh = record.users.insert(user.clone());
        self.put(key, &record)?;
        Ok(fresh)
    }

    /// Ends `user`'s need; for the last user `restore` gets what to put back, and the record goes only after that,
    /// so that a crash in between loses nothing.
    pub fn give_back(
        &self,
        key: &str,
        user: &TopologyName,
        restore: impl FnOnce(&Borrowed) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        let Some(mut record) = self.get(key)? else { return Ok(()) };
        if !record.users.contains(user) {
            return Ok(());
        }
        if record.users.len() > 1 {
            record.users.remove(user);
            return self.put(key, &record);
        }
        restore(&record)?;
        let path = self.path(key);
        fs::remove_file(&path).map_err(|error| KernelError::io(format!("cannot remove {}", path.display()), error))
    }

    /// Makes `user`'s part in a record what it was: in it with what was to be given back, or not in it. What is borrowed
    /// itself is not touched.
    pub fn put_back(&self, key: &str, user: &TopologyName, was: Option<&Borrowed>) -> Result<(), KernelError> {
        match was.filter(|was| was.users.contains(user)) {
            Some(was) => {
                let mut record = self.get(key)?.unwrap_or_else(|| was.clone());
                record.users.insert(user.clone());
                // With nobody else come or gone, what is to be given back is what it was.
                self.put(key, if record.users == was.users { was } else { &record })
            }
            None => self.give_back(key, user, |_| Ok(())),
        }
    }

    /// Ends every need that `user` still has, and touches nothing: what was borrowed has gone another way.
    pub fn forget(&self, user: &TopologyName) -> Result<(), KernelError> {
        for (key, record) in all_in(&self.folder)? {
            if record.users.contains(user) {
                self.give_back(&key, user, |_| Ok(()))?;
            }
        }
        Ok(())
    }

    fn put(&self, key: &str, record: &Borrowed) -> Result<(), KernelError> {
        let path = self.path(key);
        let fail = |error| KernelError::io(format!("cannot write {}", path.display()), error);
        let text = serde_json::to_vec(record).map_err(|error| fail(error.into()))?;
        // Never seen half written: a reader meets the old record or the new one.
        let draft = self.folder.join(".draft");
        let mut file = File::create(&draft).map_err(fail)?;
        file.write_all(&text).map_err(fail)?;
        fs::rename(&draft, &path).map_err(fail)
    }
}

fn load(path: &Path) -> Result<Option<Borrowed>, KernelError> {
    let what = || format!("cannot read {}", path.display());
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| KernelError::message(what(), format!("it is no record of ours: {error}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KernelError::io(what(), error)),
    }
}

/// A key as a file name: what could mean something there is written as `%` and two hex digits.
fn encode(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 16);
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b':' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name + SUFFIX
}

/// The key of a file name; `None` for files that are no records.
fn decode(name: &str) -> Option<String> {
    let name = name.strip_suffix(SUFFIX).filter(|name| !name.starts_with('.'))?;
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> TopologyName {
        name.parse().unwrap()
    }

    #[test]
    fn a_key_survives_as_a_file_name() {
        for key in ["net/ipv4/ip_forward", "net/ipv4/conf/eth0.10/forwarding", "master:eth0", ".x", "master:a%b", "é"]
        {
            assert!(!encode(key).contains('/') && !encode(key).starts_with('.'), "{}", encode(key));
            assert_eq!(decode(&encode(key)).as_deref(), Some(key));
        }
        for other in [".lock", ".draft", "x", "%.json", "%zz.json"] {
            assert_eq!(decode(other), None, "{other}");
        }
    }

    #[test]
    fn the_last_user_gives_back_what_the_first_one_found() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::lock_in(folder.path()).unwrap();
        let along = BTreeMap::from([("net/ipv4/conf/eth0/forwarding".to_owned(), "0".to_owned())]);
        records.borrow("net/ipv4/ip_forward", Some("0"), &along, &user("one")).unwrap();
        records.borrow("net/ipv4/ip_forward", Some("1"), &BTreeMap::new(), &user("two")).unwrap();
        let record = all_in(folder.path()).unwrap().remove("net/ipv4/ip_forward").unwrap();
        assert_eq!((record.before.as_deref(), record.users.len()), (Some("0"), 2));

        records.give_back("net/ipv4/ip_forward", &user("three"), |_| panic!("no user of it")).unwrap();
        records.give_back("net/ipv4/ip_forward", &user("one"), |_| panic!("still needed")).unwrap();
        let failed = records.give_back("net/ipv4/ip_forward", &user("two"), |_| Err(KernelError::message("x", "y")));
        assert!(failed.is_err());
        let mut restored = None;
        let restore = |record: &Borrowed| {
            restored = Some(record.clone());
            Ok(())
        };
        records.give_back("net/ipv4/ip_forward", &user("two"), restore).unwrap();
        let restored = restored.unwrap();
        assert_eq!((restored.before.as_deref(), restored.along), (Some("0"), along));
        assert!(all_in(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_broken_record_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("master:eth0.json"), "{").unwrap();
        let error = all_in(folder.path()).unwrap_err().to_string();
        assert!(error.contains("master:eth0.json"), "{error}");
        assert!(all_in(&folder.path().join("none")).unwrap().is_empty());
    }
}
