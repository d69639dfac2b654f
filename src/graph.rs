//! Resources → a petgraph: an edge from what gives a thing to what needs it.

use foldhash::{HashMap, HashSet};
use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
    visit::Dfs,
};

use crate::{
    kind::{Pair, Thing},
    model::Address,
};

/// Which resource needs which. Nodes are places in the list that it was built from.
#[derive(Debug)]
pub struct Graph {
    graph: DiGraph<usize, ()>,
    nodes: Vec<NodeIndex>,
}

/// Resources that need each other in a circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these need each other in a circle: {}", path(.0))]
pub struct Cycle(pub Vec<Address>);

fn path(addresses: &[Address]) -> String {
    let names = addresses.iter().chain(addresses.first());
    names.map(Address::to_string).collect::<Vec<_>>().join(" -> ")
}

impl Graph {
    /// The graph of `pairs`.
    pub fn new(pairs: &[Pair<'_>]) -> Self {
        let mut graph = DiGraph::with_capacity(pairs.len(), pairs.len() * 2);
        let nodes: Vec<NodeIndex> = (0..pairs.len()).map(|place| graph.add_node(place)).collect();
        let mut givers: HashMap<Thing<'_>, Vec<NodeIndex>> = HashMap::default();
        for (pair, node) in pairs.iter().zip(&nodes) {
            for thing in pair.gives() {
                givers.entry(thing).or_default().push(*node);
            }
        }
        for (pair, node) in pairs.iter().zip(&nodes) {
            // `update_edge` would look at all edges of a namespace for each link in it.
            let mut seen: HashSet<_> = HashSet::from_iter([*node]);
            for giver in pair.needs().iter().filter_map(|thing| givers.get(thing)).flatten() {
                if seen.insert(*giver) {
                    graph.add_edge(*giver, *node, ());
                }
            }
        }
        Self { graph, nodes }
    }

    /// Places in an order in which what is needed precedes what needs it, and that keeps the list's own where it may.
    pub fn order(&self, pairs: &[Pair<'_>]) -> Result<Vec<usize>, Cycle> {
        let mut waiting: Vec<usize> =
            self.nodes.iter().map(|node| self.graph.neighbors_directed(*node, Direction::Incoming).count()).collect();
        let free = (0..waiting.len()).filter(|place| waiting[*place] == 0);
        let mut ready: std::collections::BTreeSet<usize> = free.collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(place) = ready.pop_first() {
            order.push(place);
            for next in self.graph.neighbors(self.nodes[place]) {
                let next = self.graph[next];
                waiting[next] -= 1;
                if waiting[next] == 0 {
                    ready.insert(next);
                }
            }
        }
        if order.len() == waiting.len() { Ok(order) } else { Err(self.cycle(pairs)) }
    }

    /// `toposort` would name one node of a cycle; the strongly connected component shows it whole.
    fn cycle(&self, pairs: &[Pair<'_>]) -> Cycle {
        let components = petgraph::algo::tarjan_scc(&self.graph);
        let circle = components.into_iter().find(|nodes| nodes.len() > 1).unwrap_or_default();
        Cycle(circle.into_iter().rev().map(|node| pairs[self.graph[node]].address()).collect())
    }

    /// What needs the resource at `place`, directly.
    pub fn dependents(&self, place: usize) -> Vec<usize> {
        self.graph.neighbors(self.nodes[place]).map(|node| self.graph[node]).collect()
    }

    /// Everything that the resource at `place` needs, however far away, and itself.
    pub fn needed_by(&self, place: usize) -> Vec<usize> {
        let reversed = petgraph::visit::Reversed(&self.graph);
        let mut walk = Dfs::new(reversed, self.nodes[place]);
        std::iter::from_fn(|| walk.next(reversed)).map(|node| self.graph[node]).collect()
    }

    /// Everything that needs the resource at `place`, however far away, and itself.
    pub fn needing(&self, place: usize) -> Vec<usize> {
        let mut walk = Dfs::new(&self.graph, self.nodes[place]);
        std::iter::from_fn(|| walk.next(&self.graph)).map(|node| self.graph[node]).collect()
    }
}
