//! Waits that end.

use std::{
    fs::{File, TryLockError},
    io, thread,
    time::{Duration, Instant},
};

/// Longer than any reply of the kernel takes, and than anybody holds a lock around a few files.
pub const SECONDS: u64 = 30;
const PAUSE: Duration = Duration::from_millis(5);

/// Takes the lock of a file that others hold for a moment only.
pub fn lock(file: &File) -> io::Result<()> {
    lock_within(file, Duration::from_secs(SECONDS))
}

fn lock_within(file: &File, patience: Duration) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let why = format!("another program has held its lock for {} s", patience.as_secs_f32());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

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
    fn a_lock_that_is_held_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::create(folder.path().join("lock")).unwrap();
        let holder = open();
        lock(&holder).unwrap();
        let error = lock_within(&open(), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "another program has held its lock for 0.05 s");
        thread::scope(|scope| {
            let waits = scope.spawn(|| lock(&open()));
            thread::sleep(Duration::from_millis(20));
            drop(holder);
            waits.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_silent_kernel_is_named() {
        let silent = unanswered(io::ErrorKind::WouldBlock.into());
        assert_eq!(silent.to_string(), "the kernel has not answered for 30 s");
        assert_eq!(unanswered(io::Error::from_raw_os_error(105)).raw_os_error(), Some(105));
    }
}
