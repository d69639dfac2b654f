//! Waits that end.

use std::io;

/// Longer than any reply of the kernel takes.
pub const SECONDS: u64 = 30;

/// A receive that ran into the socket's bound says so; any other error is itself.
pub fn unanswered(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::TimedOut, format!("the kernel has not answered for {SECONDS} s"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_kernel_is_named() {
        let silent = unanswered(io::ErrorKind::WouldBlock.into());
        assert_eq!(silent.to_string(), "the kernel has not answered for 30 s");
        assert_eq!(unanswered(io::Error::from_raw_os_error(105)).raw_os_error(), Some(105));
    }
}
