//! Chains of nf_tables that forwarded traffic passes beside those of iptables: whoever drops there has the last word.

use super::{
    super::KernelError,
    netfilter::{self, GETCHAIN, NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE},
};
use crate::model::snapshot::{DroppingChain, NftFamily};

// linux/netfilter/nf_tables.h
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_HOOK_HOOKNUM: u16 = 1;
// linux/netfilter.h
const NF_INET_FORWARD: u32 = 2;
const NF_DROP: u32 = 0;

/// The base chains at the forward hook that drop what their rules do not take; none where the kernel lacks nf_tables.
pub(super) fn dropping() -> Result<Vec<DroppingChain>, KernelError> {
    let mut found = Vec::new();
    let dumped = netfilter::dump_nftables(GETCHAIN, |family, payload| {
        // A dump that was disturbed hands everything on again.
        found.extend(chain(family, payload).filter(|chain| !found.contains(chain)));
    });
    dumped.map(|()| found).map_err(|error| KernelError::io("cannot list the nf_tables chains", error))
}

fn chain(family: u8, payload: &[u8]) -> Option<DroppingChain> {
    const NFPROTO_INET: u8 = 1;
    let family = match i32::from(family) {
        _ if family == NFPROTO_INET => NftFamily::Inet,
        nix::libc::AF_INET => NftFamily::Ip,
        nix::libc::AF_INET6 => NftFamily::Ip6,
        _ => return None,
    };
    let (mut table, mut name, mut hook, mut policy) = (None, None, None, None);
    for (kind, value) in netfilter::attributes(payload) {
        match kind {
            NFTA_CHAIN_TABLE => table = text(value),
            NFTA_CHAIN_NAME => name = text(value),
            NFTA_CHAIN_POLICY => policy = number(value),
            NFTA_CHAIN_HOOK => {
                let mut inner = netfilter::attributes(value);
                hook = inner.find(|(kind, _)| *kind == NFTA_HOOK_HOOKNUM).and_then(|(_, value)| number(value));
            }
            _ => {}
        }
    }
    let (table, chain) = (table?, name?);
    // The policy of the chain that our jumps stand in does not matter: what we let pass is accepted before.
    let iptables = family != NftFamily::Inet && table == "filter" && chain == "FORWARD";
    let drops = hook == Some(NF_INET_FORWARD) && policy == Some(NF_DROP);
    (drops && !iptables).then_some(DroppingChain { family, table, chain })
}

fn text(value: &[u8]) -> Option<String> {
    let bytes = value.strip_suffix(&[0]).unwrap_or(value);
    Some(String::from_utf8_lossy(bytes).into_owned())
}

fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().copied().map(u32::from_be_bytes)
}
