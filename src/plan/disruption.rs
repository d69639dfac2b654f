//! Who notices a change: what loses carrier, addresses or its routes for a moment.

use crate::{
    diff::Draft,
    kind::{Both, Pair, link::pair_ends},
    model::{Netns, Snapshot, event::Action, snapshot::LinkState},
};

/// The sentences for one draft.
pub fn of(draft: &Draft<'_>, action: Action, snapshot: &Snapshot) -> Vec<String> {
    match (&draft.pair, action) {
        (Pair::Link(Both { before: Some(before), .. }), Action::Replace) => {
            before.ends.iter().map(|end| format!("{} loses carrier until the new link is up", end.label)).collect()
        }
        (Pair::Bridge(Both { before: Some(before), .. }), Action::Replace) => {
            let Some(state) = snapshot.namespaces.get(&before.netns) else { return Vec::new() };
            let Some(index) = state.link(&before.device).map(|link| link.index) else { return Vec::new() };
            let ports = state.links.iter().filter(|link| link.master == Some(index)).count();
            match ports {
                0 => Vec::new(),
                1 => vec![format!("the port of {} loses its segment", before.device)],
                _ => vec![format!("{ports} ports of {} lose their segment", before.device)],
            }
        }
        (Pair::Link(Both { before: Some(before), after: Some(after) }), Action::Update) => {
            let ends = pair_ends(Some(before), Some(after)).into_iter().filter_map(|(has, wants)| has.zip(wants));
            let moves = ends.into_iter().any(|(has, wants)| has.bridge.is_some() && has.bridge != wants.bridge);
            // Whose segment it is: the end that is no port.
            let far = after.ends.iter().filter(|end| moves && end.bridge.is_none());
            far.map(|end| format!("{} is on another segment from then on", end.label)).collect()
        }
        (Pair::Namespace(Both { before: Some(before), .. }), Action::Replace) => {
            let programs = format!("programs inside {} lose their network", before.netns);
            [vec![programs], taken_along(&before.netns, snapshot)].concat()
        }
        (Pair::Namespace(Both { before: Some(before), .. }), Action::Delete) => taken_along(&before.netns, snapshot),
        _ => Vec::new(),
    }
}

/// Devices that a new namespace has of itself, where the modules of their kinds are loaded.
const OF_EVERY_NAMESPACE: [&str; 9] =
    ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"];

/// Devices that others made inside a namespace of ours, or moved there: the kernel deletes them with it, but for a NIC,
/// which goes back to the machine's first namespace.
fn taken_along(netns: &Netns, snapshot: &Snapshot) -> Vec<String> {
    let links = snapshot.namespaces.get(netns).map_or(&[][..], |state| &state.links);
    let is_theirs =
        |link: &&LinkState| link.mark().is_none() && link.name != "lo" && !OF_EVERY_NAMESPACE.contains(&&*link.name);
    let sentence = |link: &LinkState| match link.kind {
        Some(_) => format!("{}, which somebody else made, is deleted with it", link.name),
        None => format!("{} goes back to the machine's first namespace", link.name),
    };
    links.iter().filter(is_theirs).map(sentence).collect()
}
