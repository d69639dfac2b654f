//! From bytes to text that a parser may be given, or one clear error.

use crate::model::{Diagnostic, Span};

/// The largest file that is read, in bytes.
pub const SIZE_MAX: usize = 8 << 20;

/// The text of a file without a byte order mark. The text is there even when it is bad, so that the error can show its place.
pub fn decode(bytes: &[u8], name: &str, source: u32) -> (String, Result<(), Diagnostic>) {
    if bytes.len() > SIZE_MAX {
        let mib = bytes.len().div_ceil(1 << 20);
        let error = Diagnostic::error("file::too_large", format!("`{name}` has {mib} MiB; at most 8 MiB are read"))
            .help("is this the right file? a lab of a thousand namespaces has well below 1 MiB");
        return (String::new(), Err(error));
    }
    if let Some(error) = not_text(bytes, name) {
        return (String::new(), Err(error));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            let judged = if text.trim().is_empty() { Err(empty(name)) } else { Ok(()) };
            (text.to_owned(), judged)
        }
        Err(error) => {
            let at = error.valid_up_to();
            let shown = String::from_utf8_lossy(bytes).into_owned();
            let byte = bytes.get(at).copied().unwrap_or_default();
            let error = Diagnostic::error("file::not_utf8", format!("the byte 0x{byte:02x} is not UTF-8"))
                .at(Span::new(source, at..at + '\u{fffd}'.len_utf8()), "not UTF-8 from here")
                .help("save the file as UTF-8");
            (shown, Err(error))
        }
    }
}

/// Whether the bytes are plainly something else than UTF-8 text.
fn not_text(bytes: &[u8], name: &str) -> Option<Diagnostic> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(Diagnostic::error("file::not_utf8", format!("`{name}` is UTF-16")).help("save the file as UTF-8"));
    }
    let control = |b: &u8| matches!(b, 0..=8 | 11 | 12 | 14..=26 | 28..=31 | 127);
    let head = bytes.get(..bytes.len().min(8192)).unwrap_or(bytes);
    let controls = head.iter().filter(|b| control(b)).count();
    let binary = bytes.contains(&0) || (std::str::from_utf8(bytes).is_err() && controls * 20 > head.len());
    binary.then(|| {
        Diagnostic::error("file::binary", format!("`{name}` is not text"))
            .help("a topology is a TOML, YAML or JSON file; is this the right path?")
    })
}

/// A file that says nothing.
pub fn empty(name: &str) -> Diagnostic {
    Diagnostic::error("file::empty", format!("`{name}` is empty; it needs at least `name`"))
        .help("begin with a line such as `name: my-lab` (YAML) or `name = \"my-lab\"` (TOML)")
}
