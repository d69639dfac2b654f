//! What a person sees while a plan runs: on a terminal one line that changes, anywhere else only what went wrong.

use std::{
    collections::BTreeSet,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use crate::{
    model::{
        Address, Diagnostic, Severity,
        event::{Action, Event},
    },
    plan::Counts,
    report::{
        style::{CYAN, RED, YELLOW, clean, paint},
        words,
    },
};

/// The line is drawn at most this often: thousands of resources are made in a second.
const INTERVAL: Duration = Duration::from_millis(50);
/// The line must not wrap, or it could not be taken back: it is never wider than this, nor than the terminal.
const WIDTH: usize = 79;
const BAR: usize = 20;

/// Follows the events of a run.
pub struct Progress<W> {
    err: W,
    live: bool,
    width: usize,
    interval: Duration,
    total: usize,
    settled: BTreeSet<Address>,
    counts: Counts,
    failed: usize,
    drawn: Option<Instant>,
}

impl Progress<anstream::Stderr> {
    /// Follows a run of `total` changes on stderr, live where that is a terminal.
    pub fn stderr(total: usize) -> Self {
        let live = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let columns = terminal_size::terminal_size_of(io::stderr()).map_or(WIDTH, |(width, _)| usize::from(width.0));
        let width = columns.saturating_sub(1).min(WIDTH);
        Self { width, ..Self::new(anstream::stderr(), live, total) }
    }
}

impl<W: Write> Progress<W> {
    /// Follows a run of `total` changes; `live` tells whether lines can be taken back.
    pub fn new(err: W, live: bool, total: usize) -> Self {
        Self {
            err,
            live,
            width: WIDTH,
            interval: INTERVAL,
            total,
            settled: BTreeSet::new(),
            counts: Counts::default(),
            failed: 0,
            drawn: None,
        }
    }

    /// Takes in what happened. What went wrong is said at once, also where no line is drawn.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Start { address, action } => self.draw(|| words::started(address, *action)),
            Event::Done { address, action, elapsed } => {
                self.settled.insert(address.clone());
                self.tally(*action);
                self.draw(|| words::done(address, *action, *elapsed))
            }
            Event::Failed { address, action, message } => {
                self.settled.insert(address.clone());
                self.failed += 1;
                self.erase()?;
                let head = paint(RED.bold(), "Error:");
                writeln!(self.err, "{head} {}: {}", words::failure(address, *action), clean(message))
            }
            Event::RolledBack { resources, operations, left } => {
                self.erase()?;
                self.err.write_all(clean(&words::rolled_back(resources, *operations, left)).as_bytes())
            }
            Event::Note(note) => {
                self.erase()?;
                self.err.write_all(noted(note).as_bytes())
            }
        }
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How many failures were reported.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Takes the line away: before the last words, before a question, at the end.
    pub fn erase(&mut self) -> io::Result<()> {
        if self.drawn.take().is_some() {
            write!(self.err, "\r{:1$}\r", "", self.width)?;
            self.err.flush()?;
        }
        Ok(())
    }

    fn tally(&mut self, action: Action) {
        match action {
            Action::Create => self.counts.add += 1,
            Action::Update => self.counts.change += 1,
            Action::Delete => self.counts.destroy += 1,
            Action::Replace => {
                self.counts.add += 1;
                self.counts.destroy += 1;
            }
        }
    }

    fn draw(&mut self, doing: impl FnOnce() -> String) -> io::Result<()> {
        if !self.live || self.drawn.is_some_and(|drawn| drawn.elapsed() < self.interval) {
            return Ok(());
        }
        let settled = self.settled.len().min(self.total);
        let filled = (BAR * settled).checked_div(self.total).unwrap_or(BAR);
        let head = format!("[{}{}] {settled}/{} ", "=".repeat(filled), " ".repeat(BAR - filled), self.total);
        let line: String = (head + &doing()).chars().take(self.width).collect();
        // Blanks rather than an escape sequence take the last line away: NO_COLOR strips every sequence.
        write!(self.err, "\r{line:0$}", self.width)?;
        self.err.flush()?;
        self.drawn = Some(Instant::now());
        Ok(())
    }
}

/// A diagnostic that is about no place of a file, in two lines.
fn noted(note: &Diagnostic) -> String {
    let head = match note.severity {
        Severity::Error => paint(RED.bold(), "Error:"),
        Severity::Warning => paint(YELLOW.bold(), "Warning:"),
    };
    let help = note.help.as_deref().map(|help| format!("  {} {}\n", paint(CYAN, "help:"), clean(help)));
    format!("{head} {}\n{}", clean(&note.message), help.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::plain;

    fn run(live: bool) -> (String, Counts) {
        let link: Address = "link.web:eth0".parse().unwrap();
        let bridge: Address = "bridge.br0".parse().unwrap();
        let mut out = Vec::new();
        let mut progress = Progress { interval: Duration::ZERO, ..Progress::new(&mut out, live, 2) };
        let elapsed = Duration::from_millis(3);
        for event in [
            Event::Start { address: bridge.clone(), action: Action::Create },
            Event::Done { address: bridge, action: Action::Create, elapsed },
            Event::Start { address: link.clone(), action: Action::Replace },
            Event::Note(Diagnostic::warning("lab::foreign", "tun0 is left alone").help("nothing to do")),
            Event::Done { address: link.clone(), action: Action::Replace, elapsed },
            Event::Failed { address: link, action: Action::Delete, message: "device or resource busy".into() },
        ] {
            progress.event(&event).unwrap();
        }
        progress.erase().unwrap();
        let counts = progress.counts();
        assert_eq!(progress.failed(), 1);
        drop(progress);
        (String::from_utf8(out).unwrap(), counts)
    }

    #[test]
    fn away_from_a_terminal_only_trouble_is_said() {
        let (shown, counts) = run(false);
        assert_eq!(
            plain(&shown),
            "Warning: tun0 is left alone\n  help: nothing to do\n\
             Error: failed to destroy link.web:eth0: device or resource busy\n"
        );
        assert_eq!(counts, Counts { add: 2, change: 0, destroy: 1 });
    }

    #[test]
    fn on_a_terminal_one_line_is_drawn_and_taken_away() {
        let (shown, _) = run(true);
        assert!(shown.starts_with("\r[                    ] 0/2 "), "{shown:?}");
        assert!(shown.contains("[==========          ] 1/2"), "{shown:?}");
        assert!(shown.contains("link.web:eth0: Replacing..."), "{shown:?}");
        assert!(shown.ends_with("device or resource busy\n"), "{shown:?}");
        let longest = shown.split(['\r', '\n']).map(|line| plain(line).chars().count()).max().unwrap();
        assert!(longest <= WIDTH, "a line has {longest} columns");
    }

    #[test]
    fn lines_that_come_too_fast_are_not_drawn() {
        let mut out = Vec::new();
        let mut progress = Progress { interval: Duration::from_secs(3600), ..Progress::new(&mut out, true, 100) };
        for n in 0..100 {
            let address = format!("namespace.n{n}").parse().unwrap();
            progress.event(&Event::Start { address, action: Action::Create }).unwrap();
        }
        drop(progress);
        assert_eq!(String::from_utf8(out).unwrap().matches("Creating...").count(), 1);
    }
}
