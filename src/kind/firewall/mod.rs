//! NAT, port forwards and the FORWARD part of gateways: from what a namespace must do to rules, and back.
//!
//! ```text
//! Input ─ compose ─▶ Composed ─ kernel prints it ─▶ canonical tables ─┐
//! live tables ────────────────────────────────────────────────────────┴─ compare ─▶ Comparison
//!                                                                      └ scripts ─▶ Script, a table each
//! ```
//! Everything here is about one namespace and one topology. Rules live in chains of our own whose names carry the
//! topology; a built-in chain gets jumps only, with the mark as comment. Rules bear no comment: they are decoded back
//! to their resource from what they say ([`owner_of`]), so that nothing has to be remembered.

mod compare;
mod compose;
mod filter;
mod flows;
mod foreign;
mod input;
mod names;
mod nat;
mod owner;
mod rule;
mod script;
mod taken;

pub use compare::{Comparison, Drift, DriftKind, Presence, ResourceDrift, compare};
pub use compose::{Composed, WantedRule, compose};
pub use flows::flows_of_drifts;
pub use foreign::{foreign_jumps, foreign_policies, foreign_verdicts};
pub use input::{Beyond, Forward, Input, Interface, NatKind, NatRule, Protocol, Role, SnatTo, forward_rest, nat_rest};
pub use names::{ChainKind, chain_name, chain_suffix, topologies_in};
pub use owner::{Owner, owner_of};
pub use script::{Script, restoration, scripts};
