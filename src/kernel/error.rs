//! What can go wrong below the line, as data with one clear line each.

use std::{fmt, io};

use nix::errno::Errno;

use crate::model::{Address, Netns};

/// One thing that the kernel, or a file that stands for it, did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError(Box<Detail>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Detail {
    what: String,
    netns: Option<Netns>,
    errno: Option<i32>,
    why: String,
    told: Option<String>,
    hint: Option<String>,
}

impl KernelError {
    /// A system call that failed. `what` is the operation with its object, such as `cannot read /proc/self/status`.
    pub fn io(what: impl Into<String>, err: io::Error) -> Self {
        let errno = err.raw_os_error();
        let why = errno.map_or_else(|| err.to_string(), errno_words);
        Self(Box::new(Detail { what: what.into(), netns: None, errno, why, told: None, hint: None }))
    }

    /// Something that failed for a reason that is no errno.
    pub fn message(what: impl Into<String>, why: impl Into<String>) -> Self {
        let (what, why) = (what.into(), why.into());
        Self(Box::new(Detail { what, netns: None, errno: None, why, told: None, hint: None }))
    }

    /// Says in which namespace it was.
    #[must_use]
    pub fn in_netns(mut self, netns: &Netns) -> Self {
        self.0.netns.get_or_insert_with(|| netns.clone());
        self
    }

    /// Says of what it is the error.
    #[must_use]
    pub fn about(mut self, what: String) -> Self {
        self.0.what = what;
        self
    }

    /// Adds the kernel's extended message.
    #[must_use]
    pub fn told(mut self, text: Option<String>) -> Self {
        self.0.told = text;
        self
    }

    /// Adds what to know or to do.
    #[must_use]
    pub fn hint(mut self, text: Option<impl Into<String>>) -> Self {
        self.0.hint = text.map(Into::into);
        self
    }

    /// The operation with its object.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Why it was not done, in the words for the error number.
    pub fn reason(&self) -> &str {
        &self.0.why
    }

    /// What to know or to do, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The same without what to do.
    #[must_use]
    pub fn without_advice(mut self) -> Self {
        self.0.hint = None;
        self
    }

    /// The error number, where the kernel gave one.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// The kernel's extended message, where it gave one.
    pub fn kernel_text(&self) -> Option<&str> {
        self.0.told.as_deref()
    }

    /// Whether it may be for what another program did at the same moment: that something is there, or is not there, which
    /// was seen otherwise just before, or that somebody was in the way.
    pub fn is_transient(&self) -> bool {
        const ERRNOS: [Errno; 9] = [
            Errno::EEXIST,
            Errno::ENOENT,
            Errno::ENODEV,
            Errno::ESRCH,
            Errno::EBUSY,
            Errno::EAGAIN,
            Errno::EINTR,
            Errno::ENOBUFS,
            Errno::EADDRNOTAVAIL,
        ];
        // What the iptables tools say.
        const WORDS: [&str; 4] = [
            "temporarily unavailable",
            "xtables lock",
            "No such file or directory",
            "No chain/target/match by that name",
        ];
        ERRNOS.iter().any(|errno| self.is(*errno)) || WORDS.iter().any(|words| self.0.why.contains(words))
    }

    /// Whether the kernel's answer was this error.
    pub fn is(&self, errno: Errno) -> bool {
        self.0.errno == Some(errno as i32)
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.what)?;
        match &self.0.netns {
            Some(Netns::Host) => write!(f, " on the host")?,
            // Where the namespace is the object itself, it has been named.
            Some(Netns::Named(name)) if self.0.what.contains(&format!("namespace `{name}`")) => {}
            Some(Netns::Named(name)) => write!(f, " in namespace `{name}`")?,
            None => {}
        }
        write!(f, ": {}", self.0.why)?;
        if let Some(told) = &self.0.told {
            write!(f, ": {}", told.trim_end_matches('.'))?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for KernelError {}

/// `EEXIST` as `file exists (EEXIST)`.
pub(super) fn errno_words(errno: i32) -> String {
    let known = Errno::from_raw(errno);
    if known == Errno::UnknownErrno {
        return format!("error number {errno}");
    }
    let words = io::Error::from_raw_os_error(errno).to_string();
    let words = words.split(" (os error").next().unwrap_or_default();
    let mut letters = words.chars();
    let first: String = letters.next().map(|letter| letter.to_ascii_lowercase()).into_iter().collect();
    format!("{first}{} ({known:?})", letters.as_str())
}

/// A step of a batch that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// Its place in the batch.
    pub index: usize,
    /// The resource that it was done for.
    pub address: Address,
    /// The op in words, such as `add address 10.0.0.1/24 to eth0`.
    pub op: String,
    /// Whether a part of it may have been done all the same: an op of several messages of which one was done, or one
    /// that sets several attributes of a device, which the kernel does one after the other until it refuses one.
    pub partly: bool,
    /// Why.
    pub error: KernelError,
}

/// What became of one step of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It failed, and nothing of it was done.
    Failed,
    /// It failed after a part of it may have been done: read again to know.
    Partly,
    /// It was not tried, since an earlier one had failed.
    Untried,
}

/// A batch of which not every step was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchError {
    /// The batch's namespace.
    pub netns: Netns,
    /// How many steps were tried: messages that went to the kernel together with the one that failed ran as well.
    pub attempted: usize,
    /// The failures in the order of the batch, at least one.
    pub failures: Vec<StepFailure>,
}

impl BatchError {
    /// The failure that came first.
    pub fn first(&self) -> Option<&StepFailure> {
        self.failures.first()
    }

    /// What became of the step at that place.
    pub fn outcome(&self, index: usize) -> Outcome {
        match self.failures.iter().find(|failure| failure.index == index) {
            Some(failure) if failure.partly => Outcome::Partly,
            Some(_) => Outcome::Failed,
            None if index < self.attempted => Outcome::Done,
            None => Outcome::Untried,
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.failures.first() else {
            return write!(f, "a batch in {} failed", self.netns);
        };
        write!(f, "{}", first.error)?;
        match self.failures.len() {
            1 => Ok(()),
            2 => write!(f, " (and one more failure of the same batch)"),
            n => write!(f, " (and {} more failures of the same batch)", n - 1),
        }
    }
}

impl std::error::Error for BatchError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_object_place_reason_and_remedy() {
        let error = KernelError::io("cannot create veth web-eth0", io::Error::from_raw_os_error(17))
            .in_netns(&Netns::Named("web".into()))
            .told(Some("Name taken.".into()))
            .hint(Some("a device of that name is there"));
        assert_eq!(
            error.to_string(),
            "cannot create veth web-eth0 in namespace `web`: file exists (EEXIST): Name taken; a device of that name is there"
        );
        assert!(error.is(Errno::EEXIST));
    }

    #[test]
    fn the_outcome_of_every_step_is_known() {
        let failure = |index, partly| StepFailure {
            index,
            address: "link.web:eth0".parse().unwrap(),
            op: "x".into(),
            partly,
            error: KernelError::message("cannot x", "y"),
        };
        let error =
            BatchError { netns: Netns::Host, attempted: 4, failures: vec![failure(1, false), failure(3, true)] };
        let outcomes: Vec<_> = (0..5).map(|i| error.outcome(i)).collect();
        assert_eq!(outcomes, [Outcome::Done, Outcome::Failed, Outcome::Done, Outcome::Partly, Outcome::Untried]);
        assert_eq!(error.to_string(), "cannot x: y (and one more failure of the same batch)");
    }
}
