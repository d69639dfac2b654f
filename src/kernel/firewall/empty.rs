//! Gives a table back that was not there before ours: iptables-nft makes tables and base chains, and never removes them.

use std::io;

use super::{
    super::KernelError,
    family_name,
    netfilter::{self, Netfilter},
    tools::{self, Action},
};
use crate::model::{
    iptables::{is_builtin, parse_save},
    snapshot::{Chain, Family, TableName, Variant},
};

const DELTABLE: u16 = 2;
const NFTA_TABLE_NAME: u16 = 1;
/// How often it is tried again because somebody changed the rules meanwhile.
const TRIES: usize = 10;

/// Deletes an nf_tables table that holds nothing: built-in chains without a rule, their policies ACCEPT. Any other is
/// left as it is. Emptiness and deletion are bound to one generation of the rules, so nobody's new rule is lost.
pub fn delete_if_empty(family: Family, table: TableName) -> Result<(), KernelError> {
    let what = || format!("cannot remove the empty {} table of {}", table.as_str(), family_name(family));
    let fail = |error| KernelError::io(what(), error);
    let Some(tool) = tools::find(Variant::Nft, family, Action::Save, tools::default_variant()?) else { return Ok(()) };
    let socket = Netfilter::open().map_err(fail)?;
    let mut name = Vec::new();
    let text = format!("{}\0", table.as_str());
    netfilter::push_attribute(&mut name, NFTA_TABLE_NAME, text.as_bytes());
    for _ in 0..TRIES {
        let generation = socket.generation().map_err(fail)?;
        let tables = parse_save(family, &tools::save(&tool)?)
            .map_err(|error| KernelError::message(what(), error.to_string()))?;
        let found = tables.into_iter().find(|it| it.name == table);
        if !found.is_some_and(|found| found.chains.iter().all(holds_nothing)) {
            return Ok(());
        }
        match socket.transaction(generation, DELTABLE, netfilter::family_number(family), &name) {
            Err(error) if error.raw_os_error() == Some(ERESTART) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => return done.map_err(fail),
        }
    }
    // It is busy, so it is in use: then it is not ours to remove.
    Ok(())
}

/// Not in libc: the kernel's own, which netlink hands out all the same.
const ERESTART: i32 = 85;

fn holds_nothing(chain: &Chain) -> bool {
    is_builtin(&chain.name) && chain.rules.is_empty() && chain.policy.as_deref().is_none_or(|policy| policy == "ACCEPT")
}
