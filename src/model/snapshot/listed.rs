//! A list in which things are found however many they are.

use std::{
    ops::{Deref, DerefMut},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};

/// Things in the order in which they were told, and a register of where they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent, bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct Listed<T, R> {
    list: Vec<T>,
    /// Made when something is looked for, forgotten when something may change.
    #[serde(skip)]
    register: OnceLock<R>,
}

impl<T, R> Listed<T, R> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<T, R: for<'a> From<&'a [T]>> Listed<T, R> {
    /// Where everything is.
    pub(super) fn register(&self) -> &R {
        self.register.get_or_init(|| R::from(&self.list))
    }
}

impl<T, R> Default for Listed<T, R> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<T: PartialEq, R> PartialEq for Listed<T, R> {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl<T: Eq, R> Eq for Listed<T, R> {}

impl<T, R> Deref for Listed<T, R> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.list
    }
}

impl<T, R> DerefMut for Listed<T, R> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        self.register.take();
        &mut self.list
    }
}

impl<T, R> From<Vec<T>> for Listed<T, R> {
    fn from(list: Vec<T>) -> Self {
        Self { list, register: OnceLock::new() }
    }
}

impl<T, R> FromIterator<T> for Listed<T, R> {
    fn from_iter<I: IntoIterator<Item = T>>(list: I) -> Self {
        Vec::from_iter(list).into()
    }
}

impl<T, R> IntoIterator for Listed<T, R> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a, T, R> IntoIterator for &'a Listed<T, R> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl<'a, T, R> IntoIterator for &'a mut Listed<T, R> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
