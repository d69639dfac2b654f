//! Which namespace a veth's other end is in.
//!
//! An end tells its peer's index, and the number that its own namespace has for the peer's. Asking every namespace for
//! its number of every other would cost the square of their count, so: each is asked for its number of the host only;
//! being a peer is mutual, which gives the host's ends for nothing; and what is left between named namespaces is asked
//! for among those that hold a veth with the mirrored pair of indexes.

use std::collections::{BTreeSet, HashMap};

use super::{KernelError, link::Seen};
use crate::model::snapshot::NetnsState;

/// One namespace as it was read.
#[derive(Debug, Default)]
pub struct Reading {
    /// Its state; the peers' namespaces are filled in by [`resolve`]. In a box, since a reading is moved from list to list:
    /// of a thousand namespaces those moves touched 5 MB.
    pub state: Box<NetnsState>,
    /// Its veths.
    pub veths: Vec<Veth>,
    /// The number that it has for the host.
    pub host_nsid: Option<i32>,
}

impl Reading {
    /// Of links whose peers are yet to be found.
    pub fn new(mut seen: Vec<Seen>) -> Self {
        seen.sort_unstable_by_key(|link| link.state.index);
        let mut reading = Self::default();
        reading.state.links.reserve_exact(seen.len());
        for (place, link) in seen.into_iter().enumerate() {
            if link.state.peer.is_some() {
                reading.veths.push(Veth { place, nsid: link.peer_nsid });
            }
            reading.state.links.push(link.state);
        }
        reading
    }
}

/// One veth end of a reading.
#[derive(Debug, Clone, Copy)]
pub struct Veth {
    /// Its place among the reading's links.
    pub place: usize,
    /// The number of the peer's namespace; `None` for its own.
    pub nsid: Option<i32>,
}

/// The host's place among the readings.
pub const HOST: usize = 0;

/// An end: the place of its namespace, and its index there.
type End = (usize, u32);

/// One whose peer is yet to be found: its place and index, its peer's index, and the number of the peer's namespace.
type Open = (usize, u32, u32, Option<i32>);

/// Finds for every veth the place of its peer's namespace; those of which it cannot be said are left out.
/// `ask` yields the numbers that a namespace has for others; each is asked once at most.
pub fn resolve(
    readings: &[Reading],
    mut ask: impl FnMut(usize, &[usize]) -> Result<Vec<Option<i32>>, KernelError>,
) -> Result<HashMap<End, usize>, KernelError> {
    let mut found: HashMap<End, usize> = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut claims: HashMap<End, End> = HashMap::new();
    for (here, reading) in readings.iter().enumerate() {
        for veth in &reading.veths {
            let Some((index, peer)) = pair(reading, veth) else { continue };
            let there = match veth.nsid {
                None => Some(here),
                nsid if nsid == reading.host_nsid => Some(HOST),
                Some(_) => None,
            };
            match there {
                Some(there) => {
                    found.insert((here, index), there);
                    claims.insert((there, peer), (here, index));
                }
                None => open.push((here, index, peer, veth.nsid)),
            }
        }
    }
    open.retain(|&(here, index, peer, _)| match claims.get(&(here, index)) {
        Some(&(there, its_index)) if its_index == peer => {
            found.insert((here, index), there);
            false
        }
        _ => true,
    });
    let mut mirrored: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
    for &(here, index, peer, _) in &open {
        mirrored.entry((index, peer)).or_default().push(here);
    }
    for ends in open.chunk_by(|one, next| one.0 == next.0) {
        let here = ends[0].0;
        let unknown = |end: &&Open| end.3.is_some_and(|nsid| nsid >= 0) && !found.contains_key(&(here, end.1));
        let ends: Vec<&Open> = ends.iter().filter(unknown).collect();
        let mirrors = ends.iter().filter_map(|(_, index, peer, _)| mirrored.get(&(*peer, *index)));
        let others: BTreeSet<usize> = mirrors.flatten().copied().filter(|&other| other != here).collect();
        let others: Vec<usize> = others.into_iter().collect();
        let numbers = if others.is_empty() { Vec::new() } else { ask(here, &others)? };
        let numbered = others.into_iter().zip(numbers).filter_map(|(other, number)| Some((number?, other)));
        let known: HashMap<i32, usize> = numbered.collect();
        for &&(_, index, peer, nsid) in &ends {
            if let Some(&there) = nsid.and_then(|nsid| known.get(&nsid)) {
                found.insert((here, index), there);
                found.entry((there, peer)).or_insert(here);
            }
        }
    }
    Ok(found)
}

fn pair(reading: &Reading, veth: &Veth) -> Option<(u32, u32)> {
    let link = reading.state.links.get(veth.place)?;
    Some((link.index, link.peer.as_ref()?.index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::snapshot::{LinkState, Peer};

    fn veth(index: u32, peer: u32) -> LinkState {
        LinkState {
            index,
            name: format!("veth{index}"),
            kind: Some("veth".into()),
            mtu: 1500,
            peer: Some(Peer { index: peer, netns: None }),
            ..LinkState::default()
        }
    }

    fn reading(host_nsid: Option<i32>, ends: &[(u32, u32, Option<i32>)]) -> Reading {
        let links = ends.iter().map(|&(index, peer, _)| veth(index, peer)).collect();
        let veths = ends.iter().enumerate().map(|(place, &(.., nsid))| Veth { place, nsid }).collect();
        Reading { state: Box::new(NetnsState { links, ..Default::default() }), veths, host_nsid }
    }

    #[test]
    fn a_star_needs_no_question() {
        let readings = [
            reading(None, &[(10, 2, Some(0)), (11, 2, Some(1)), (12, 13, None), (13, 12, None), (14, 9, Some(7))]),
            reading(Some(0), &[(2, 10, Some(0))]),
            reading(Some(3), &[(2, 11, Some(3))]),
        ];
        // 14's peer is in a namespace that is none of these, and no namespace holds its mirror.
        let found = resolve(&readings, |_, _| panic!("asked")).unwrap();
        let expected = [((0, 10), 1), ((0, 11), 2), ((0, 12), 0), ((0, 13), 0), ((1, 2), 0), ((2, 2), 0)];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn between_namespaces_with_equal_indexes_only_the_number_tells() {
        // 1:2 ↔ 2:2 and 3:2 ↔ 4:2: the same pair of indexes everywhere.
        let end = [(2, 2, Some(5))];
        let readings =
            [reading(None, &[]), reading(None, &end), reading(None, &end), reading(None, &end), reading(None, &end)];
        let mut asked = 0;
        let found = resolve(&readings, |here, others| {
            asked += 1;
            let partner = [0, 2, 1, 4, 3][here];
            Ok(others.iter().map(|&other| (other == partner).then_some(5)).collect())
        })
        .unwrap();
        assert_eq!(found, [((1, 2), 2), ((2, 2), 1), ((3, 2), 4), ((4, 2), 3)].into());
        assert_eq!(asked, 2, "the other ends follow");
    }

    #[test]
    fn each_is_asked_once_whatever_the_links_between_them() {
        // A ring of four with a link each way round: 1 ↔ 2 ↔ 3 ↔ 4 ↔ 1, twice.
        let ends = |here: usize| {
            let (next, last) = (here % 4 + 1, (here + 2) % 4 + 1);
            let index = |from: usize, to: usize, of: u32| 100 * from as u32 + 10 * to as u32 + of;
            let end = |other: usize, of: u32| (index(here, other, of), index(other, here, of), Some(other as i32));
            [end(next, 1), end(next, 2), end(last, 1), end(last, 2)]
        };
        let readings = [
            reading(None, &[]),
            reading(None, &ends(1)),
            reading(None, &ends(2)),
            reading(None, &ends(3)),
            reading(None, &ends(4)),
        ];
        let mut asked = Vec::new();
        let found = resolve(&readings, |here, others| {
            asked.push((here, others.to_vec()));
            Ok(others.iter().map(|&other| Some(other as i32)).collect())
        })
        .unwrap();
        assert_eq!(asked, [(1, vec![2, 4]), (2, vec![3]), (3, vec![4])], "the other ends follow");
        assert_eq!(found.len(), 16);
        assert!(found.iter().all(|(&(_, index), &there)| there == (index as usize / 10) % 10), "{found:?}");
    }

    #[test]
    fn a_peer_without_a_number_stays_unknown() {
        let readings = [reading(None, &[(10, 2, Some(-1))]), reading(None, &[(2, 10, Some(4))])];
        assert!(resolve(&readings, |_, others| Ok(vec![None; others.len()])).unwrap().is_empty());
    }
}
