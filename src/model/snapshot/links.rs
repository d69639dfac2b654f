//! The devices of a namespace, found by name and by index however many they are.

use std::{
    cmp::Ordering,
    ops::{Deref, DerefMut},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};

use super::LinkState;

/// Up to this many are looked through as quickly as a register of them.
const FEW: usize = 8;

/// Devices, in the order in which they were told.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Links {
    list: Vec<LinkState>,
    /// Made when something is looked for, forgotten when something may change.
    #[serde(skip)]
    register: OnceLock<Register>,
}

/// Places in the list, sorted by what is looked for. Of two that are alike the first is found, as by looking through.
#[derive(Debug, Clone)]
struct Register {
    by_name: Vec<usize>,
    by_index: Vec<usize>,
}

impl Links {
    /// The device called `name`.
    pub fn named(&self, name: &str) -> Option<&LinkState> {
        if self.list.len() <= FEW {
            return self.list.iter().find(|link| link.name == name);
        }
        self.find(&self.register().by_name, |link| link.name.as_str().cmp(name))
    }

    /// The device with that index.
    pub fn at(&self, index: u32) -> Option<&LinkState> {
        if self.list.len() <= FEW {
            return self.list.iter().find(|link| link.index == index);
        }
        self.find(&self.register().by_index, |link| link.index.cmp(&index))
    }

    fn find(&self, places: &[usize], order: impl Fn(&LinkState) -> Ordering) -> Option<&LinkState> {
        let first = places.partition_point(|place| order(&self.list[*place]).is_lt());
        places.get(first).map(|place| &self.list[*place]).filter(|link| order(link).is_eq())
    }

    fn register(&self) -> &Register {
        self.register.get_or_init(|| {
            let sorted = |order: fn(&LinkState, &LinkState) -> Ordering| {
                let mut places: Vec<usize> = (0..self.list.len()).collect();
                places.sort_by(|one, other| order(&self.list[*one], &self.list[*other]));
                places
            };
            Register {
                by_name: sorted(|one, other| one.name.cmp(&other.name)),
                by_index: sorted(|one, other| one.index.cmp(&other.index)),
            }
        })
    }
}

impl PartialEq for Links {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Links {}

impl Deref for Links {
    type Target = Vec<LinkState>;

    fn deref(&self) -> &Vec<LinkState> {
        &self.list
    }
}

impl DerefMut for Links {
    fn deref_mut(&mut self) -> &mut Vec<LinkState> {
        self.register.take();
        &mut self.list
    }
}

impl From<Vec<LinkState>> for Links {
    fn from(list: Vec<LinkState>) -> Self {
        Self { list, register: OnceLock::new() }
    }
}

impl FromIterator<LinkState> for Links {
    fn from_iter<T: IntoIterator<Item = LinkState>>(links: T) -> Self {
        Vec::from_iter(links).into()
    }
}

impl IntoIterator for Links {
    type Item = LinkState;
    type IntoIter = std::vec::IntoIter<LinkState>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Links {
    type Item = &'a LinkState;
    type IntoIter = std::slice::Iter<'a, LinkState>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl<'a> IntoIterator for &'a mut Links {
    type Item = &'a mut LinkState;
    type IntoIter = std::slice::IterMut<'a, LinkState>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
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
