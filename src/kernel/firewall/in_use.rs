//! Which packet filters hold tables in this namespace, found without running anything.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read as _},
};

use nix::{
    fcntl::{OFlag, openat},
    sys::stat::Mode,
};

use super::{
    super::KernelError,
    netfilter::{self, GETCHAIN, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE},
};
use crate::model::snapshot::{Family, TableName, Variant};

/// `/proc/net` would be the main thread's.
const NET: &str = "/proc/thread-self/net";

thread_local! {
    /// What is in the folder is the namespace's that its thread is in at the time, so that one will do for many.
    static FOLDER: io::Result<File> = File::open(NET);
}

const GETTABLE: u16 = 1;
const NFTA_TABLE_NAME: u16 = 1;
/// What the names of netwright's chains begin with.
const OURS: &[u8] = b"NW-";

/// The packet filters and families that hold a table of a name that we use.
#[derive(Debug, Default)]
pub(super) struct InUse(BTreeSet<(Variant, Family)>);

impl InUse {
    /// Asks the kernel.
    pub(super) fn read() -> Result<Self, KernelError> {
        let mut found = BTreeSet::new();
        found.extend(nft()?.into_iter().map(|family| (Variant::Nft, family)));
        for family in Family::ALL {
            if legacy(family)? {
                found.insert((Variant::Legacy, family));
            }
        }
        Ok(Self(found))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (Variant, Family)> + '_ {
        self.0.iter().copied()
    }
}

/// Whether nf_tables holds a chain of netwright's in that family, in a table that `is_meant`; asked without the tools.
pub(super) fn holds_ours(family: Family, is_meant: impl Fn(&str) -> bool) -> Result<bool, KernelError> {
    let failed = |error| KernelError::io("cannot list the nf_tables chains", error);
    let mut found = false;
    let dumped = netfilter::dump_nftables(GETCHAIN, |of, payload| {
        let find = |kind| netfilter::attributes(payload).find(|(k, _)| *k == kind).map(|(_, value)| value);
        let table = find(NFTA_CHAIN_TABLE).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        let meant = netfilter::family(of) == Some(family) && is_meant(table.trim_end_matches('\0'));
        found |= meant && find(NFTA_CHAIN_NAME).is_some_and(|name| name.starts_with(OURS));
    });
    dumped.map(|()| found).map_err(failed)
}

/// The families that have a table in nf_tables; none where the kernel lacks it.
fn nft() -> Result<BTreeSet<Family>, KernelError> {
    let failed = |error| KernelError::io("cannot list the nf_tables tables", error);
    let mut families = BTreeSet::new();
    let dumped = netfilter::dump_nftables(GETTABLE, |family, payload| {
        let name = netfilter::attributes(payload).find(|(kind, _)| *kind == NFTA_TABLE_NAME).map(|(_, value)| value);
        let name = name.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(|text| text.trim_end_matches('\0'));
        if let (Some(family), Some(_)) = (netfilter::family(family), name.and_then(TableName::named)) {
            families.insert(family);
        }
    });
    dumped.map(|()| families).map_err(failed)
}

/// A file of the calling thread's namespace.
fn read_own(name: &str) -> io::Result<String> {
    FOLDER.with(|folder| {
        let folder = folder.as_ref().map_err(|error| io::Error::from(error.kind()))?;
        let file = File::from(openat(folder, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?);
        // Bounded, so that its size is not asked for, which such a file does not tell.
        let mut names = String::new();
        file.take(4096).read_to_string(&mut names)?;
        Ok(names)
    })
}

/// Whether the family has a table in the legacy packet filter. The file lists them without making any, which the
/// `iptables-legacy -S` of one does not.
fn legacy(family: Family) -> Result<bool, KernelError> {
    let name = match family {
        Family::V4 => "ip_tables_names",
        Family::V6 => "ip6_tables_names",
    };
    let path = format!("{NET}/{name}");
    match read_own(name) {
        Ok(names) => Ok(names.lines().any(|name| TableName::named(name.trim()).is_some())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let closed = error.kind() == io::ErrorKind::PermissionDenied;
            let hint = "a user other than root needs CAP_DAC_READ_SEARCH for it: run it with sudo";
            Err(KernelError::io(format!("cannot read {path}"), error).hint(closed.then_some(hint)))
        }
    }
}
