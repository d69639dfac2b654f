//! The packet filter of the namespace that the calling thread is in. A placeholder until the real one is merged.

use super::KernelError;
use crate::{
    model::snapshot::{Family, FirewallState, Table, TableName, Variant},
    op::FlowMatch,
};

/// Reads the live tables and the wanted ones in canonical form.
pub fn read(_wanted: &[Table]) -> Result<FirewallState, KernelError> {
    Ok(FirewallState::default())
}

/// Feeds a script to `iptables-restore --noflush`.
pub fn load(_variant: Variant, _family: Family, _table: TableName, _script: &str) -> Result<(), KernelError> {
    Err(KernelError::message("cannot load firewall rules", "this build has no firewall support"))
}

/// Deletes tracked connections.
pub fn flush_flows(_flows: &[FlowMatch]) -> Result<(), KernelError> {
    Err(KernelError::message("cannot delete tracked connections", "this build has no firewall support"))
}
