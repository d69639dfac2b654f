//! Sysctls of TOML, where dots nest, as the other notations write them: by their whole names.

use foldhash::HashSet;

use crate::{
    model::Spanned,
    spec::tree::{Entry, Node, Value},
};

/// The tree of a whole file with the names of sysctls joined, as the reader joins them. Names that would then stand twice stay as they
/// are, and so does what a `for` or `when` is about.
pub fn joined(root: &mut Node) {
    let namespaces = entries(root).iter_mut().filter(|it| it.key.value == "namespaces");
    let each = namespaces.flat_map(|it| entries(&mut it.value));
    for sysctls in each.flat_map(|it| entries(&mut it.value)).filter(|it| it.key.value == "sysctls") {
        let mut names = Vec::new();
        if let Value::Map(inner) = &sysctls.value.value
            && gather("", inner, &mut names)
            && names.iter().map(|it| &it.key.value).collect::<HashSet<_>>().len() == names.len()
        {
            sysctls.value.value = Value::Map(names);
        }
    }
}

fn entries(node: &mut Node) -> &mut [Entry] {
    match &mut node.value {
        Value::Map(entries) => entries,
        Value::Null | Value::Scalar(_) | Value::List(_) | Value::Invalid => &mut [],
    }
}

/// Gathers all sysctls below a part of their names; false where one of the keys is no part of a name.
fn gather(above: &str, entries: &[Entry], names: &mut Vec<Entry>) -> bool {
    entries.iter().all(|entry| {
        let key = entry.key.value.as_str();
        if matches!(key, "for" | "when" | "value") {
            return false;
        }
        let name = if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        match &entry.value.value {
            Value::Map(inner) if !inner.is_empty() => gather(&name, inner, names),
            _ => {
                let key = Spanned { value: name, span: entry.key.span };
                names.push(Entry { key, value: entry.value.clone() });
                true
            }
        }
    })
}
