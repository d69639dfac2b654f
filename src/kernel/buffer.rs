//! Where the kernel's answers are put: one place a thread, since a thousand sockets that live for a moment each would clear
//! as many.

use std::cell::Cell;

/// A dump's messages come in pieces of at most 32 KiB.
const SIZE: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Runs `work` with room for an answer, in which anything may stand.
pub fn with<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut room = SPARE.take();
    room.resize(SIZE, 0);
    let done = work(&mut room);
    SPARE.set(room);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_within_another_has_room_of_its_own() {
        with(|outer| {
            outer[0] = 1;
            with(|inner| inner[0] = 2);
            assert_eq!((outer[0], outer.len()), (1, SIZE));
        });
    }
}
