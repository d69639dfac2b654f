//! Bytes to a topology and its plan: see `Case` for how they are laid out.

#![no_main]

use netwright_fuzz::Case;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| Case::new(bytes).run());
