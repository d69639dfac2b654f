//! Gives tables back that were not there before ours: iptables-nft makes tables and base chains, and never removes them.

use std::io;

use super::{
    super::KernelError,
    family_name,
    netfilter::{self, Netfilter},
    tools::{self, Action},
    unchanged,
};
use crate::model::{
    iptables::{is_builtin, parse_save},
    snapshot::{Chain, Family, Table, TableName, Variant},
};

const DELTABLE: u16 = 2;
const NFTA_TABLE_NAME: u16 = 1;
/// How often it is tried again because somebody changed the rules meanwhile.
const TRIES: usize = 10;

/// Deletes those of these nf_tables tables that hold nothing, all at once: built-in chains without a rule, their policies ACCEPT.
/// Any other is left as it is. Emptiness and deletion are bound to one generation of the rules, so nobody's new rule is lost.
pub fn delete_if_empty(tables: &[(Family, TableName)]) -> Result<(), KernelError> {
    let fail = |error| KernelError::io(what(tables), error);
    let socket = Netfilter::open().map_err(fail)?;
    for _ in 0..TRIES {
        let generation = socket.generation().map_err(fail)?;
        let empty = empty(tables)?;
        if empty.is_empty() {
            return Ok(());
        }
        let requests: Vec<_> = empty.into_iter().map(named).collect();
        match socket.transaction(generation, DELTABLE, &requests) {
            Err(error) if error.raw_os_error() == Some(ERESTART) || error.kind() == io::ErrorKind::NotFound => {}
            done => return done.map_err(fail),
        }
    }
    // It is busy, so it is in use: then it is not ours to remove.
    Ok(())
}

fn what(tables: &[(Family, TableName)]) -> String {
    let name = |(family, table): &(Family, TableName)| format!("{} table of {}", table.as_str(), family_name(*family));
    format!("cannot remove the empty {}", tables.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// Those that are there and hold nothing.
fn empty(tables: &[(Family, TableName)]) -> Result<Vec<(Family, TableName)>, KernelError> {
    let mut found = Vec::new();
    for family in Family::ALL.into_iter().filter(|family| tables.iter().any(|(of, _)| of == family)) {
        let Some(tool) = tools::find(Variant::Nft, family, Action::Save, tools::default_variant()?) else { continue };
        let live = parse_save(family, &unchanged::text(family, || tools::save(&tool))?)
            .map_err(|error| KernelError::message(what(tables), error.to_string()))?;
        let is_meant = |table: &&Table| tables.contains(&(family, table.name));
        let empty = live.iter().filter(is_meant).filter(|table| table.chains.iter().all(holds_nothing));
        found.extend(empty.map(|table| (family, table.name)));
    }
    Ok(found)
}

/// A table as nf_tables is told of it.
fn named((family, table): (Family, TableName)) -> (u8, Vec<u8>) {
    let mut name = Vec::new();
    netfilter::push_attribute(&mut name, NFTA_TABLE_NAME, format!("{}\0", table.as_str()).as_bytes());
    (netfilter::family_number(family), name)
}

/// Not in libc: the kernel's own, which netlink hands out all the same.
const ERESTART: i32 = 85;

fn holds_nothing(chain: &Chain) -> bool {
    is_builtin(&chain.name) && chain.rules.is_empty() && chain.policy.as_deref().is_none_or(|policy| policy == "ACCEPT")
}
