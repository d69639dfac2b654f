//! Bytes to a file that is laid out, and to the two other notations. Nothing panics, and what can be read is never refused: that
//! what would be written cannot be proved is a mistake of netwright's.

#![no_main]

use netwright::spec::{
    Format,
    format::{Refused, convert::convert, format},
};
use netwright_fuzz::format_of;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (from, bytes) = format_of(bytes);
    is_proved(format(bytes, "lab", from).err());
    for to in [Format::Yaml, Format::Toml, Format::Json] {
        is_proved(convert(bytes, "lab", from, to).err());
    }
});

fn is_proved(refused: Option<Refused>) {
    if let Some(Refused::Unproved(why)) = refused {
        panic!("{why}");
    }
}
