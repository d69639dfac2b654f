//! What a block of text on the page cannot hold, or nobody would want to read there.

use super::{Said, read};

/// A file, with those that it includes.
pub struct Input {
    bytes: Vec<u8>,
    beside: Vec<(String, String)>,
}

impl Input {
    fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), beside: Vec::new() }
    }

    /// What is said of it.
    pub fn read(&self) -> Said {
        read(&self.bytes, "lab.yaml", &self.beside, &[])
    }
}

/// A code, why its wrong example is not on the page, and the example.
type InCode = (&'static str, &'static str, fn() -> Input);

/// Codes whose wrong example stands here.
pub const IN_CODE: &[InCode] = &[
    ("address::many", "it takes thousands of lines, or as many subnets", many_addresses),
    ("file::binary", "a page of text holds no binary", || Input::of(*b"\x7fELF\x02\x01\x01\0\0\0\x03\0>\0")),
    ("file::many", "it takes a thousand lines", || Input::of("k: 1\n".repeat(5000))),
    ("file::not_utf8", "the page is UTF-8", || Input::of(*b"name: lab\ndescription: caf\xe9\n")),
    ("file::too_large", "it takes 8 MiB", || Input::of(vec![b'#'; (8 << 20) + 1])),
    ("include::limit", "it takes hundreds of files", many_files),
];

/// Codes that are about no place of a file, and why.
pub const PLACELESS: &[(&str, &str)] = &[
    ("convert::comments", "it is about all comments of the file"),
    ("file::binary", "what is no text is not shown"),
    ("file::empty", "there is no text"),
    ("file::many", "it is about all that stands before it"),
    ("file::too_large", "what is not read is not shown"),
    ("vars::undeclared", "it is about the command line"),
];

/// Codes that never come alone, and why.
pub const AMONG_OTHERS: &[(&str, &str)] = &[("file::many", "it says that there are many others")];

fn many_addresses() -> Input {
    let subnets: Vec<String> = (0..600).map(|n| format!("10.{}.{}.0/22", n / 64, n % 64 * 4)).collect();
    let subnets = subnets.join(", ");
    Input::of(format!(
        "name: lab\nnamespaces: {{ 'n$i': {{ for: {{ i: 1..500 }} }} }}\nbridges: {{ br0: {{ subnets: [{subnets}] }} }}\n\
         links: [{{ for: {{ i: 1..500 }}, endpoints: ['n$i:eth0', br0] }}]\n"
    ))
}

fn many_files() -> Input {
    let names: Vec<String> = (0..300).map(|n| format!("part{n}.yaml")).collect();
    let text = format!("name: lab\ninclude: [{}]\n", names.join(", "));
    let beside = names.into_iter().map(|name| (name, "x-part: true\n".to_owned())).collect();
    Input { bytes: text.into_bytes(), beside }
}
