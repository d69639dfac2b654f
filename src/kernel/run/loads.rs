//! Rules of one packet filter and family that are loaded together: each table is atomic in itself, and each process less is some
//! milliseconds.

use super::{
    super::firewall::{self, Unloaded},
    Run,
};
use crate::op::Op;

impl Run<'_> {
    /// Loads the tables of those steps.
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
}
