//! What was to go and has gone by itself.

use nix::errno::Errno;

use crate::op::Op;

/// Whether the kernel's refusal means that what the op removes is not there any more, or that what it puts back is there
/// already, so that it is as it should be.
///
/// Between the reading and the run things go by themselves: the ports of a namespace that somebody deleted up to a second
/// after the deletion, the addresses and routes of a device with it.
pub fn is_gone(op: &Op, errno: Errno) -> bool {
    match op {
        Op::NetnsDelete => errno == Errno::ENOENT,
        Op::LinkDelete { .. } => errno == Errno::ENODEV,
        Op::AddressDelete { .. } => matches!(errno, Errno::EADDRNOTAVAIL | Errno::ENODEV),
        Op::RouteDelete { .. } => matches!(errno, Errno::ESRCH | Errno::ENODEV),
        Op::LinkSet { .. } if op.parks() => errno == Errno::ENODEV,
        Op::AddressPutBack { .. } | Op::RoutePutBack { .. } => errno == Errno::EEXIST,
        Op::PortPutBack { .. }
        | Op::NetnsPark { .. }
        | Op::NetnsUnpark { .. }
        | Op::NetnsDrop { .. }
        | Op::RecordPutBack { .. }
        | Op::NetnsCreate { .. }
        | Op::BridgeCreate { .. }
        | Op::VethCreate { .. }
        | Op::LinkSet { .. }
        | Op::BridgeUp { .. }
        | Op::AddressAdd { .. }
        | Op::RouteAdd { .. }
        | Op::SysctlSet { .. }
        | Op::SysctlBorrow { .. }
        | Op::SysctlGiveBack { .. }
        | Op::PortBorrow { .. }
        | Op::PortGiveBack { .. }
        | Op::TableBorrow { .. }
        | Op::TableGiveBack { .. }
        | Op::TableDrop { .. }
        | Op::FirewallLoad { .. }
        | Op::FlushFlows { .. } => false,
    }
}
