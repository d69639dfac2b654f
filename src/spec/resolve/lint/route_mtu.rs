//! A route with a larger MTU than the device that it leaves by: the kernel takes it at its word, and what is too large for
//! the device is dropped there, and nobody is told.

use super::Lab;
use crate::{
    model::{Diagnostic, Label},
    spec::resolve::{
        mtu,
        scope::{Interface, Scope, What},
    },
};

pub fn check(lab: &Lab<'_>) -> Vec<Diagnostic> {
    // One that could not be read counts as none.
    if !lab.scope.gaps.are_none() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (route, written) in lab.routes() {
        let (Ok(label), Some(mtu)) = (route.label.parse::<Label>(), &written.mtu) else { continue };
        let devices = route.hops.iter().filter_map(|hop| lab.scope.at_device(&label, hop.dev.as_deref()?));
        let least = devices.filter_map(|it| Some((of(lab.scope, it)?, it))).min_by_key(|(least, _)| *least);
        let Some((least, interface)) = least.filter(|(least, _)| *least < mtu.value) else { continue };
        let (by_default, place) = match mtu::written_for(lab.scope, interface) {
            Some((_, span)) => ("", span),
            None => (" by default", interface.span),
        };
        let what =
            format!("a route of `{label}` has an MTU of {}, and its `{}` one of {least}", mtu.value, interface.name);
        let warning = Diagnostic::warning("route::mtu", what)
            .at(mtu.span, "taken at its word")
            .at(place, format!("{least}{by_default}"))
            .help(
                "what is larger than its device sends is dropped there without a word: write less here, or more there",
            );
        found.push(warning);
    }
    found
}

/// The MTU of an interface; `None` where the file does not say it.
fn of(scope: &Scope<'_>, interface: &Interface) -> Option<u32> {
    match &interface.what {
        What::Loopback | What::Port(..) => None,
        What::Bridge(_) if scope.is_external(interface) => None,
        What::Bridge(label) => mtu::of_bridge(scope, label, scope.bridge_spec(label)?),
        What::End((index, which)) => {
            let link = scope.file.links.get(*index)?;
            Some(mtu::of_end(link, &link.endpoints.get(*which)?.value))
        }
    }
}
