//! Layer-2 networks: a segment, or several whose bridges are joined by links. Members of a gateway, automatic addresses and
//! targets are looked for on one segment; what may be there once only, on the whole network.

use foldhash::{HashMap, HashSet};

use super::{
    links::bridge_label,
    scope::{EndId, Scope, What},
};
use crate::{
    model::{Label, Spanned},
    spec::file,
};

/// One layer-2 network.
pub type Network = usize;

/// Which layer-2 network everything is on.
#[derive(Debug)]
pub struct Networks {
    of_segment: Vec<Network>,
    of_end: HashMap<EndId, Network>,
    foreign: HashSet<Network>,
}

impl Networks {
    /// Follows the links between bridges. A bridge or an end that is down joins nothing.
    pub fn new(scope: &Scope<'_>) -> Self {
        let mut next: Vec<usize> = (0..scope.segments.len()).collect();
        let up = |end: &file::End| end.up.as_ref().is_none_or(|up| up.value);
        for link in &scope.file.links {
            let [first, second] = &link.endpoints;
            let bridges = [first, second].map(|end| bridge_label(end).filter(|label| is_up(scope, label)));
            let ([Some(a), Some(b)], true) = (bridges, up(first) && up(second)) else { continue };
            let segments = [a, b].map(|label| scope.segment_of_bridge.get(label).copied());
            if let [Some(a), Some(b)] = segments {
                let (a, b) = (root(&mut next, a), root(&mut next, b));
                if let Some(place) = next.get_mut(a.max(b)) {
                    *place = a.min(b);
                }
            }
        }
        let of_segment: Vec<Network> = (0..next.len()).map(|segment| root(&mut next, segment)).collect();
        let mut of_end = HashMap::default();
        for interface in scope.interfaces.values().flatten() {
            let segment = match &interface.what {
                What::Port(_, bridge) => scope.segment_of_bridge.get(bridge).copied(),
                What::End(_) | What::Bridge(_) | What::Loopback => interface.segment,
            };
            if let (What::End(id) | What::Port(id, _), Some(segment)) = (&interface.what, segment) {
                of_end.insert(*id, of_segment.get(segment).copied().unwrap_or(segment));
            }
        }
        let foreign = scope.file.bridges.iter().filter(|(_, bridge)| is_foreign(bridge));
        let foreign = foreign.filter_map(|(label, _)| scope.segment_of_bridge.get(&label.value));
        let foreign = foreign.filter_map(|segment| of_segment.get(*segment).copied()).collect();
        Self { of_segment, of_end, foreign }
    }

    /// The network of a segment.
    pub fn of(&self, segment: usize) -> Network {
        self.of_segment.get(segment).copied().unwrap_or(segment)
    }

    /// The network of a link's end, be it a bridge's port or not.
    pub fn of_end(&self, id: EndId) -> Option<Network> {
        self.of_end.get(&id).copied()
    }

    /// Whether devices are on it that the file does not tell of.
    pub fn is_foreign(&self, network: Network) -> bool {
        self.foreign.contains(&network)
    }
}

/// The segment that stands for all that are joined. What is passed on the way is brought nearer to it.
fn root(next: &mut [usize], mut segment: usize) -> usize {
    while let Some(other) = next.get(segment).copied().filter(|other| *other != segment) {
        let after = next.get(other).copied().unwrap_or(other);
        if let Some(place) = next.get_mut(segment) {
            *place = after;
        }
        segment = after;
    }
    segment
}

fn is_foreign(bridge: &file::Bridge) -> bool {
    bridge.external.as_ref().is_some_and(|it| it.value) || !bridge.ports.is_empty()
}

fn is_up(scope: &Scope<'_>, label: &Label) -> bool {
    let key = Spanned { value: label.clone(), span: crate::model::Span::default() };
    scope.file.bridges.get(&key).is_some_and(|bridge| bridge.up.as_ref().is_none_or(|up| up.value))
}
