//! What a file on the command line is read from: a plain file, a device, or a pipe such as `<(command)` makes, whose writer
//! is waited for with a bound.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::Path,
    time::Duration,
};

use nix::{
    errno::Errno,
    libc::O_NONBLOCK,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// How long nobody may write to a pipe.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open file.
#[derive(Debug)]
pub struct Input {
    file: File,
    is_pipe: bool,
    patience: Duration,
}

impl Input {
    /// Opens a file. A pipe without a writer does not keep it waiting; reading does.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_within(path, PATIENCE)
    }

    fn open_within(path: &Path, patience: Duration) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
        let is_pipe = file.metadata()?.file_type().is_fifo();
        Ok(Self { file, is_pipe, patience })
    }

    /// Until there is something to read, or the last writer has gone.
    fn wait(&self) -> io::Result<()> {
        let timeout = PollTimeout::try_from(self.patience).map_err(io::Error::other)?;
        loop {
            match poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) => {
                    let why =
                        format!("it is a pipe, and nobody has written to it for {} s", self.patience.as_secs_f32());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_pipe {
                self.wait()?;
            }
            match self.file.read(buffer) {
                // Another reader was quicker, or it is a terminal.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                read => return read,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, thread};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    #[test]
    fn a_pipe_is_read_to_its_end_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let mut text = String::new();
        let silent = Input::open_within(&path, Duration::from_millis(50)).unwrap().read_to_string(&mut text);
        assert_eq!(silent.unwrap_err().to_string(), "it is a pipe, and nobody has written to it for 0.05 s");
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut pipe = OpenOptions::new().write(true).open(&path).unwrap();
                for piece in ["name: ", "lab\n"] {
                    pipe.write_all(piece.as_bytes()).unwrap();
                    thread::sleep(Duration::from_millis(20));
                }
            });
            Input::open(&path).unwrap().read_to_string(&mut text).unwrap();
        });
        assert_eq!(text, "name: lab\n");
    }
}
