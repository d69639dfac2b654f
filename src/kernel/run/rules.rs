//! Tables of a packet filter, several at a time: each process less is some milliseconds, and each transaction of nf_tables that
//! takes something away is a wait of ten and more.

use super::{
    super::{
        KernelError,
        borrow::Records,
        firewall::{self, Unloaded},
    },
    Run,
};
use crate::{
    model::{
        TopologyName,
        snapshot::{Family, TableName},
    },
    op::{Op, table_key},
};

impl<'a> Run<'a> {
    /// Loads the tables of those steps, which are one packet filter's and family's.
    pub(super) fn loads(&mut self, start: usize, end: usize) {
        self.attempted = end;
        let steps = &self.batch.steps[start..end];
        let Some(&Op::FirewallLoad { variant, family, .. }) = steps.first().map(|step| &step.op) else { return };
        let scripts = steps.iter().filter_map(|step| match &step.op {
            Op::FirewallLoad { table, script, .. } => Some((*table, &**script)),
            _ => None,
        });
        let scripts: Vec<_> = scripts.collect();
        let mut loaded = Ok(());
        let entered = self.inside(|| {
            loaded = firewall::load(variant, family, &scripts);
            Ok(())
        });
        match entered.map_err(|error| Unloaded { place: Some(0), error }).and(loaded) {
            Ok(()) => {}
            // Where the tool does not say which it is, some of them may have been loaded.
            Err(Unloaded { place, error }) => self.stop(start + place.unwrap_or(0), error, place.is_none()),
        }
    }

    /// Gives the tables of those steps back: those that nobody needs any more and that hold nothing go, all at once.
    pub(super) fn tables_given_back(&mut self, start: usize, end: usize) {
        self.attempted = end;
        match Records::lock().and_then(|records| self.delete_tables(&records, start, end).map(|()| records)) {
            Err(error) => self.stop(start, error, false),
            Ok(records) => self.forget_tables(&records, start, end),
        }
    }

    fn delete_tables(&mut self, records: &Records, start: usize, end: usize) -> Result<(), KernelError> {
        let mut unneeded = Vec::new();
        for (_, table, key, user) in self.given_back(start, end) {
            if records.is_the_last(&key, user)? {
                unneeded.push(table);
            }
        }
        if unneeded.is_empty() { Ok(()) } else { self.inside(|| firewall::delete_if_empty(&unneeded)) }
    }

    /// A record goes after its table, so that a kill in between loses nothing.
    fn forget_tables(&mut self, records: &Records, start: usize, end: usize) {
        for (index, _, key, user) in self.given_back(start, end) {
            if let Err(error) = records.give_back(&key, user, |_| Ok(())) {
                return self.stop(index, error, false);
            }
        }
    }

    /// The tables of those steps: the step's place, the table, the key of its record, and who gives it back.
    fn given_back(
        &self,
        start: usize,
        end: usize,
    ) -> impl Iterator<Item = (usize, (Family, TableName), String, &'a TopologyName)> + use<'a> {
        let steps = self.batch.steps.iter().enumerate().take(end).skip(start);
        steps.filter_map(|(index, step)| match &step.op {
            Op::TableGiveBack { family, table, user } => {
                Some((index, (*family, *table), table_key(*family, *table), user))
            }
            _ => None,
        })
    }
}
