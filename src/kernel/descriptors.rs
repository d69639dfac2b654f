//! How many files this process may have open: what it was given is meant for programs of another age.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Enough for a lab of any size in one go or a few.
pub const AT_ONCE: usize = 16_384;

/// Takes as many as this process may take.
pub fn raise() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where that is refused, it goes with fewer.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// How many they are.
pub fn limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}
