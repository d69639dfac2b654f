//! Sysctls of one namespace, from inside.

use super::{
    super::{KernelError, netconf, sysctl},
    Run,
};
use crate::op::{Op, Step};

/// How a sysctl is written.
type Write<'a> = dyn Fn(&str, &str) -> Result<(), KernelError> + Sync + 'a;

impl<'a> Run<'a> {
    /// Writes those steps, but for the first ones that are so already.
    pub(super) fn sysctls(&mut self, start: usize, end: usize) {
        let start = self.first_to_write(start, end);
        if start == end {
            self.attempted = end;
            return;
        }
        // Of the common one each look takes longer the more namespaces there are: milliseconds with 10,000.
        if self.is_new || self.is_fresh {
            match self.live.procfs_of_new() {
                Ok(procfs) => {
                    let outcome = self.write(start, end, &|key, value| sysctl::write_in(&procfs, key, value));
                    self.live.procfs = Some(procfs);
                    self.written(start, end, outcome);
                }
                Err(error) => self.written(start, end, Err(error)),
            }
        } else {
            let outcome = self.write(start, end, &sysctl::write);
            self.written(start, end, outcome);
        }
    }

    /// Writes one after the other, and yields the first that cannot be.
    fn write(
        &mut self,
        start: usize,
        end: usize,
        write: &Write<'_>,
    ) -> Result<Option<(usize, KernelError)>, KernelError> {
        let batch = self.batch;
        self.inside(|| {
            for (index, step) in batch.steps.iter().enumerate().take(end).skip(start) {
                let Op::SysctlSet { key, value } = &step.op else { continue };
                if let Err(error) = write(key, value) {
                    return Ok(Some((index, error)));
                }
            }
            Ok(None)
        })
    }

    fn written(&mut self, start: usize, end: usize, outcome: Result<Option<(usize, KernelError)>, KernelError>) {
        match outcome {
            Ok(None) => self.attempted = end,
            Ok(Some((index, error))) => self.stop(index, error, false),
            Err(error) => self.stop(start, error, false),
        }
    }

    /// Of sysctls that are to be written in a namespace that has just been made, the first that is not so already, as far as
    /// netlink tells: a file below `/proc/sys` takes many times as long. What is written may change those after it.
    fn first_to_write(&mut self, start: usize, end: usize) -> usize {
        let Some(socket) = self.socket.as_mut().filter(|_| self.is_new) else { return start };
        let steps = &self.batch.steps[start..end];
        let wanted =
            |step: &'a Step| if let Op::SysctlSet { key, value } = &step.op { Some((&**key, value)) } else { None };
        let told = netconf::read(socket, steps.iter().filter_map(wanted).map(|(key, _)| key)).unwrap_or_default();
        let is_so = |(key, value): (&str, &String)| told.iter().any(|(it, live)| *it == key && live == value);
        start + steps.iter().take_while(|step| wanted(step).is_some_and(is_so)).count()
    }
}
