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
use crate::op::{Op, table_key};

impl Run<'_> {
    /// Loads the tables of those steps, which are one packet filter's and family's.
    pub(super) fn loads(&mut self, start: usize, end: usize) {
        let steps = &self.batch.steps[start..end];
        let scripts = steps.iter().filter_map(|step| match &step.op {
            Op::FirewallLoad { table, script, .. } => Some((*table, &**script)),
            _ => None,
        });
        let scripts: Vec<_> = scripts.collect();
        let Some(&Op::FirewallLoad { variant, family, .. }) = steps.first().map(|step| &step.op) else { return };
        let mut unloaded = None;
        let entered = self.inside(|| {
            unloaded = firewall::load(variant, family, &scripts).err();
            Ok(())
        });
        match (entered, unloaded) {
            (Ok(()), None) => self.attempted = end,
            (Err(error), _) => {
                self.attempted = start + 1;
                self.fail(start, error, false);
            }
            (Ok(()), Some(Unloaded { place: Some(place), error })) => {
                self.attempted = start + place + 1;
                self.fail(start + place, error, false);
            }
            // Which of them has been loaded the tool does not say.
            (Ok(()), Some(Unloaded { place: None, error })) => {
                self.attempted = end;
                (start..end).for_each(|index| self.fail(index, error.clone(), true));
            }
        }
    }

    /// Gives the tables of those steps back: those that nobody needs any more and that hold nothing go, all at once.
    pub(super) fn tables_given_back(&mut self, start: usize, end: usize) {
        self.attempted = start + 1;
        let records =
            match Records::lock().and_then(|records| self.delete_tables(&records, start, end).map(|()| records)) {
                Ok(records) => records,
                Err(error) => return self.fail(start, error, false),
            };
        for index in start..end {
            self.attempted = index + 1;
            let Op::TableGiveBack { family, table, user } = &self.batch.steps[index].op else { continue };
            // A record goes after its table, so that a kill in between loses nothing.
            if let Err(error) = records.give_back(&table_key(*family, *table), user, |_| Ok(())) {
                return self.fail(index, error, false);
            }
        }
    }

    fn delete_tables(&mut self, records: &Records, start: usize, end: usize) -> Result<(), KernelError> {
        let mut unneeded = Vec::new();
        for step in &self.batch.steps[start..end] {
            let Op::TableGiveBack { family, table, user } = &step.op else { continue };
            if records.is_the_last(&table_key(*family, *table), user)? {
                unneeded.push((*family, *table));
            }
        }
        if unneeded.is_empty() { Ok(()) } else { self.inside(|| firewall::delete_if_empty(&unneeded)) }
    }
}
