//! The devices of a namespace, found by name and by index.

use std::cmp::Ordering;

use super::{LinkState, listed::Listed};

/// Up to this many are looked through as quickly as a register of them.
const FEW: usize = 8;

/// Devices.
pub type Links = Listed<LinkState, Register>;

/// Places in the list, sorted by what is looked for. Of two that are alike the first is found, as by looking through.
#[derive(Debug, Clone)]
pub struct Register {
    by_name: Vec<usize>,
    by_index: Vec<usize>,
}

impl From<&[LinkState]> for Register {
    fn from(list: &[LinkState]) -> Self {
        let sorted = |order: fn(&LinkState, &LinkState) -> Ordering| {
            let mut places: Vec<usize> = (0..list.len()).collect();
            places.sort_by(|one, other| order(&list[*one], &list[*other]));
            places
        };
        Self {
            by_name: sorted(|one, other| one.name.cmp(&other.name)),
            by_index: sorted(|one, other| one.index.cmp(&other.index)),
        }
    }
}

impl Links {
    /// The device called `name`.
    pub fn named(&self, name: &str) -> Option<&LinkState> {
        if self.len() <= FEW {
            return self.iter().find(|link| link.name == name);
        }
        self.find(&self.register().by_name, |link| link.name.as_str().cmp(name))
    }

    /// The device with that index.
    pub fn at(&self, index: u32) -> Option<&LinkState> {
        if self.len() <= FEW {
            return self.iter().find(|link| link.index == index);
        }
        self.find(&self.register().by_index, |link| link.index.cmp(&index))
    }

    fn find(&self, places: &[usize], order: impl Fn(&LinkState) -> Ordering) -> Option<&LinkState> {
        let first = places.partition_point(|place| order(&self[*place]).is_lt());
        places.get(first).map(|place| &self[*place]).filter(|link| order(link).is_eq())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_found_as_few_are_and_after_a_change_too() {
        let link = |index: u32, name: String| LinkState { index, name, ..LinkState::default() };
        let mut links: Links = (0..FEW as u32 + 30).rev().map(|at| link(at * 2, format!("d{at}"))).collect();
        links.push(link(6, "d3".into()));
        for at in 0..FEW as u32 + 30 {
            assert_eq!(links.named(&format!("d{at}")).unwrap().index, at * 2);
            assert_eq!(links.at(at * 2).unwrap().name, format!("d{at}"));
            assert!(links.at(at * 2 + 1).is_none());
        }
        assert!(std::ptr::eq(links.named("d3").unwrap(), links.iter().find(|it| it.name == "d3").unwrap()));
        links[0].name = "other".into();
        links.retain(|it| it.name != "d3");
        assert!(links.named("d3").is_none() && links.at(6).is_none() && links.named("other").is_some());
    }
}
