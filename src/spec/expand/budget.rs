//! How much the `for`s of a file may make: one in another grows without end.

/// How many turns all of them may take.
const TURNS_MAX: usize = 1 << 18;

/// How much all copies may hold, in bytes of text with [`NODE_COST`] a value.
const COST_MAX: usize = 80 << 20;

/// What a value costs beside its text.
pub const NODE_COST: usize = 96;

/// How much may be looked at for it, in bytes of text with [`LOOK_COST`] a look.
const LOOKS_MAX: usize = 256 << 20;
const LOOK_COST: usize = 64;

/// What was made so far.
#[derive(Debug, Default)]
pub struct Budget {
    turns: usize,
    cost: usize,
    looks: usize,
    /// Whether a limit was met: nothing more is made then.
    pub stopped: bool,
}

impl Budget {
    /// Counts a turn.
    pub fn turn(&mut self) {
        self.turns += 1;
    }

    /// Counts what is made.
    pub fn spend(&mut self, cost: usize) {
        self.cost += cost;
    }

    /// Counts what is read once more, also where nothing comes of it.
    pub fn look(&mut self, text: usize) {
        self.looks += LOOK_COST + text;
    }

    /// Says which limit is passed, the first time that one is.
    pub fn passed(&mut self) -> Option<String> {
        let what = match (self.turns > TURNS_MAX, self.cost > COST_MAX, self.looks > LOOKS_MAX) {
            _ if self.stopped => return None,
            (false, false, false) => return None,
            (true, ..) => format!("the `for`s of this file take more than {TURNS_MAX} turns"),
            (false, true, _) => format!("the copies that `for` makes hold more than {} MiB", COST_MAX >> 20),
            (false, false, true) => format!("`for` reads more than {} MiB to make its copies", LOOKS_MAX >> 20),
        };
        self.stopped = true;
        Some(what)
    }
}
