//! The addresses of a namespace, found by their device.

use super::{AddressState, listed::Listed};

/// Addresses, those of one device in the order in which the kernel told them.
pub type Addresses = Listed<AddressState, Register>;

/// How they lie.
#[derive(Debug, Clone)]
pub enum Register {
    /// By the index of the device, as the kernel tells them.
    Sorted,
    /// In any order: their places by the index of the device, and of one device in their order.
    Places(Vec<usize>),
}

impl From<&[AddressState]> for Register {
    fn from(list: &[AddressState]) -> Self {
        if list.is_sorted_by_key(|it| it.link) {
            return Self::Sorted;
        }
        let mut places: Vec<usize> = (0..list.len()).collect();
        places.sort_by_key(|place| list[*place].link);
        Self::Places(places)
    }
}

impl Addresses {
    /// Those of the device with that index.
    pub fn of(&self, link: u32) -> impl DoubleEndedIterator<Item = &AddressState> + Clone {
        let (there, elsewhere): (&[AddressState], &[usize]) = match self.register() {
            Register::Sorted => (run_of(self, |it| it.link, link), &[]),
            Register::Places(places) => (&[], run_of(places, |place| self[*place].link, link)),
        };
        there.iter().chain(elsewhere.iter().map(|place| &self[*place]))
    }
}

/// What of a sorted list is of that key.
fn run_of<T>(list: &[T], key: impl Fn(&T) -> u32, wanted: u32) -> &[T] {
    let rest = &list[list.partition_point(|it| key(it) < wanted)..];
    &rest[..rest.partition_point(|it| key(it) == wanted)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Raw;

    #[test]
    fn those_of_a_device_come_in_their_order_and_after_a_change_too() {
        let address = |link: u32, text: &str| AddressState {
            link,
            address: text.parse().unwrap(),
            dynamic: false,
            link_local: false,
            nodad: false,
            dad_failed: false,
            protocol: 0,
            label: None,
            raw: Raw::default(),
        };
        let mut all: Addresses =
            [address(7, "10.0.0.2/8"), address(2, "10.0.0.9/8"), address(7, "10.0.0.1/8")].into_iter().collect();
        let of = |all: &Addresses, link: u32| all.of(link).map(|it| it.address.to_string()).collect::<Vec<_>>();
        assert_eq!(of(&all, 7), ["10.0.0.2/8", "10.0.0.1/8"]);
        assert_eq!((of(&all, 2), of(&all, 3)), (vec!["10.0.0.9/8".to_owned()], Vec::new()));
        all.sort_by_key(|it| it.link);
        assert_eq!(of(&all, 7), ["10.0.0.2/8", "10.0.0.1/8"]);
        all.remove(1);
        all.push(address(3, "::1/128"));
        assert_eq!((of(&all, 7), of(&all, 3)), (vec!["10.0.0.1/8".to_owned()], vec!["::1/128".to_owned()]));
    }
}
