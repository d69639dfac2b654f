//! Of whom not everything is known, because a part of the file could not be read or names nobody. What would follow from
//! that alone is not said: once the first error is mended, it is known.

use foldhash::HashSet;

use super::scope::Scope;
use crate::{
    model::{Label, Span},
    spec::file::Lost,
};

/// What is not known.
#[derive(Debug)]
pub struct Gaps<'f> {
    lost: &'f Lost,
    everyone: bool,
    concerned: HashSet<Label>,
    routes: HashSet<Label>,
    gateways: bool,
    rules: bool,
}

impl<'f> Gaps<'f> {
    /// What is not known since it could not be read.
    pub fn new(lost: &'f Lost) -> Self {
        Self {
            lost,
            everyone: lost.everyone,
            concerned: HashSet::default(),
            routes: HashSet::default(),
            gateways: lost.gateways,
            rules: lost.rules,
        }
    }

    /// Whether nothing is missing anywhere.
    pub fn are_none(&self) -> bool {
        let found = self.everyone || self.gateways || self.rules;
        self.lost.is_nothing() && !found && self.concerned.is_empty() && self.routes.is_empty()
    }

    /// A namespace may have other interfaces and addresses than are known, or a bridge other addresses.
    pub fn concern(&mut self, label: &Label) {
        self.concerned.insert(label.clone());
    }

    /// Anyone may.
    pub fn concern_everyone(&mut self) {
        self.everyone = true;
    }

    /// A route of a namespace could not be made out.
    pub fn drop_route(&mut self, label: &Label) {
        self.routes.insert(label.clone());
    }

    /// A gateway could not be made out.
    pub fn drop_gateway(&mut self) {
        self.gateways = true;
    }

    /// A nat rule or port forward could not be made out.
    pub fn drop_rule(&mut self) {
        self.rules = true;
    }

    /// Whether all namespaces and bridges are known by name.
    pub fn knows_names(&self) -> bool {
        !self.lost.names
    }

    /// Whether all interfaces of a namespace are known with their addresses, or all addresses of a bridge.
    pub fn knows(&self, label: &Label) -> bool {
        !self.everyone && !self.concerned.contains(label) && !self.lost.concerned.contains(label)
    }

    /// Whether all routes of a namespace could be read, as well.
    pub fn knows_written_routes(&self, label: &Label) -> bool {
        self.knows(label) && !self.lost.routes.contains(label)
    }

    /// Whether all routes that a namespace will have are known, those of gateways too.
    pub fn knows_routes(&self, label: &Label) -> bool {
        self.knows_written_routes(label) && !self.routes.contains(label) && !self.gateways
    }

    /// Whether all is known that makes a namespace forward.
    pub fn knows_forwarding(&self, label: &Label) -> bool {
        self.knows(label) && !self.gateways && !self.rules
    }

    /// Whether a part of the item that stands at `item` could not be read: its names are names, the rest may be another.
    pub fn tear(&self, item: Span) -> bool {
        self.lost.tears(item)
    }
}

impl Scope<'_> {
    /// `name` is defined nowhere: whoever may be meant by it is not wholly known.
    pub fn concern_meant(&mut self, name: &Label) {
        let Self { known, namespaces, bridges, gaps, .. } = self;
        match known.meant(name.as_str(), namespaces.keys().chain(bridges.keys())).unwrap_or_default().as_slice() {
            [] => gaps.concern_everyone(),
            near => near.iter().for_each(|label| gaps.concern(label)),
        }
    }
}
