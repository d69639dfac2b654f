//! The memory of what topologies borrowed of the host: one small file a value below `/run/netwright/.host`, which
//! lives exactly as long as the kernel's own settings do.

use std::{collections::BTreeMap, fs::File, io, path::Path, time::Duration};

use super::{
    KernelError,
    folder::{self, Folder, lock_within},
    sysctl::is_key,
};
use crate::model::{TopologyName, snapshot::Borrowed};

/// Where the records are. The dot keeps them apart from the memo of a topology that is called `host`.
pub const DIRECTORY: &str = "/run/netwright/.host";
const LOCK: &str = ".lock";
/// A record takes its changer less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(10);
const SUFFIX: &str = ".json";
/// What keys of NICs and of tables (`op::table_key`) begin with.
const PORT: &str = "master:";
const TABLE: &str = "table:";

/// All records by key.
pub fn all() -> Result<BTreeMap<String, Borrowed>, KernelError> {
    all_in(Path::new(DIRECTORY))
}

fn all_in(folder: &Path) -> Result<BTreeMap<String, Borrowed>, KernelError> {
    let fail = |error| KernelError::io("cannot read what is borrowed of the host", error);
    let mut records = BTreeMap::new();
    let Some(folder) = Folder::find(folder).map_err(fail)? else { return Ok(records) };
    for name in folder.names().map_err(fail)? {
        let Some(key) = decode(&name) else { continue };
        // One that another run gives back in this moment is not there.
        records.extend(load(&folder, &key, &name)?.map(|record| (key, record)));
    }
    Ok(records)
}

/// The records, while nobody else changes them.
pub struct Records {
    folder: Folder,
    _lock: File,
}

impl Records {
    /// Waits for its turn.
    pub fn lock() -> Result<Self, KernelError> {
        Folder::make(Path::new(folder::ROOT)).map_err(cannot_lock)?;
        Self::lock_in(Path::new(DIRECTORY))
    }

    fn lock_in(folder: &Path) -> Result<Self, KernelError> {
        let folder = Folder::make(folder).map_err(cannot_lock)?;
        let lock = folder.open_lock(LOCK).map_err(cannot_lock)?;
        lock_within(&lock, &folder.path().join(LOCK), PATIENCE).map_err(cannot_lock)?;
        Ok(Self { folder, _lock: lock })
    }

    /// The record of a key.
    pub fn get(&self, key: &str) -> Result<Option<Borrowed>, KernelError> {
        load(&self.folder, key, &encode(key))
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

    /// Whether `user` is the only one that needs a value.
    pub fn is_the_last(&self, key: &str, user: &TopologyName) -> Result<bool, KernelError> {
        Ok(self.get(key)?.is_some_and(|record| record.users.len() == 1 && record.users.contains(user)))
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
        restore(&record).map_err(|error| {
            let path = self.folder.path().join(encode(key));
            let before = format!("what it was before is read in {}", path.display());
            let hint = error.advice().map_or(before.clone(), |advice| format!("{advice}; {before}"));
            error.hint(Some(hint))
        })?;
        self.folder.remove(&encode(key)).map_err(|error| KernelError::io("cannot forget what was borrowed", error))
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

    /// Ends every need that `user` still has, and gives nothing back: what was borrowed has gone another way. `last` is told
    /// of the keys that nobody needs any more.
    pub fn forget(
        &self,
        user: &TopologyName,
        last: impl Fn(&str) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        for (key, record) in all_in(self.folder.path())? {
            if record.users.contains(user) {
                self.give_back(&key, user, |_| last(&key))?;
            }
        }
        Ok(())
    }

    fn put(&self, key: &str, record: &Borrowed) -> Result<(), KernelError> {
        let fail = |error| KernelError::io("cannot note what is borrowed of the host", error);
        let text = serde_json::to_vec(record).map_err(|error| fail(error.into()))?;
        self.folder.replace(&encode(key), &text).map_err(fail)
    }
}

fn cannot_lock(error: io::Error) -> KernelError {
    KernelError::io("cannot lock what is borrowed of the host", error)
}

/// Whether a record says what a run of ours could have noted.
fn is_ours(key: &str, record: &Borrowed) -> bool {
    let name = key.strip_prefix(PORT).or(key.strip_prefix(TABLE));
    name.map_or_else(|| is_key(key), |name| !name.contains('/')) && record.along.keys().all(|key| is_key(key))
}

fn load(folder: &Folder, key: &str, name: &str) -> Result<Option<Borrowed>, KernelError> {
    let what = || format!("cannot read what {} says of the host", folder.path().join(name).display());
    let Some(bytes) = folder.read(name).map_err(|error| KernelError::io(what(), error))? else { return Ok(None) };
    let refused = |why: String| {
        KernelError::message(what(), format!("it is no record of ours: {why}"))
            .hint(Some("put back by hand what the host had before, then remove the file"))
    };
    let record = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
    if !is_ours(key, &record) {
        return Err(refused("it is about what netwright does not borrow".to_owned()));
    }
    Ok(Some(record))
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
    use std::fs;

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
