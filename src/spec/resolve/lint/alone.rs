//! A namespace that nothing reaches.

use foldhash::HashSet;

use super::Lab;
use crate::{
    model::{Diagnostic, Label},
    spec::{
        file::Target,
        resolve::{HOST, scope::What},
    },
};

/// Where a file has links, a namespace without any has most likely been forgotten; one that a check is about has not. Where
/// anything else is wrong, the mending of that may give it one.
pub fn check(lab: &Lab<'_>) -> Vec<Diagnostic> {
    let file = lab.scope.file;
    if file.links.is_empty() || !lab.scope.gaps.are_none() || lab.scope.diagnostics.has_errors() {
        return Vec::new();
    }
    let mut checked: HashSet<&Label> = HashSet::default();
    for check in &file.checks {
        checked.insert(&check.from.value);
        if let Target::Namespace(label) = &check.to.target {
            checked.insert(label);
        }
    }
    let alone = file.namespaces.iter().filter(|(label, _)| {
        let has_device = lab.scope.of(label).iter().any(|it| it.what != What::Loopback);
        label.as_str() != HOST && !has_device && !checked.contains(&label.value)
    });
    let warning = |label: &crate::model::Spanned<Label>| {
        let blocked = lab.scope.pair(label.span, "expect", "blocked");
        Diagnostic::warning("namespace::alone", format!("nothing reaches `{label}`: it has no link"))
            .at(label.span, "no end of a link is in it")
            .help(format!("give it a link; if it is meant to be alone, a check that says so ({blocked}) is enough"))
    };
    alone.map(|(label, _)| warning(label)).collect()
}
