//! How much a file may make of itself.

/// How many turns all `for`s of a file may take.
const TURNS_MAX: usize = 1 << 18;

/// How much all copies may hold, in bytes of text with [`NODE_COST`] a value.
const COST_MAX: usize = 64 << 20;
const NODE_COST: usize = 64;

/// What was made so far.
#[derive(Debug, Default)]
pub struct Budget {
    turns: usize,
    cost: usize,
    /// The limit was met, and that has been said: nothing more is made.
    stopped: bool,
}

impl Budget {
    /// Counts values of copies, with so many bytes of text in all.
    pub fn spend(&mut self, values: usize, text: usize) {
        self.cost = self.cost.saturating_add(values.saturating_mul(NODE_COST)).saturating_add(text);
    }

    /// Counts a turn; whether it may be taken.
    pub fn turn(&mut self) -> Turn {
        if self.stopped {
            return Turn::Stopped;
        }
        self.turns += 1;
        let why = match (self.turns > TURNS_MAX, self.cost > COST_MAX) {
            (false, false) => return Turn::Taken,
            (true, _) => format!("the `for`s of this file take more than {TURNS_MAX} turns"),
            (false, true) => format!("the copies that `for` makes hold more than {} MiB", COST_MAX >> 20),
        };
        self.stopped = true;
        Turn::Refused(why)
    }
}

/// Whether one more turn may be taken.
#[derive(Debug)]
pub enum Turn {
    /// It may.
    Taken,
    /// It is the first that may not, and why.
    Refused(String),
    /// Nor may any other after that one.
    Stopped,
}
