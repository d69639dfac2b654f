//! Every point of a lab's life.

use std::{collections::BTreeMap, env, fmt, fs, os::unix::process::ExitStatusExt, thread, time::Duration};

use crate::{
    kernel::Fault,
    run::{Deed, Order},
    state::State,
};

/// Of how many points one is tried, where nobody says.
const STRIDE: usize = 60;
/// A lab with more points than this is a large one: each of its points takes many seconds.
const LARGE: usize = 10_000;
/// How many points of a large lab are tried, evenly spread.
const OF_A_LARGE_ONE: usize = 60;

/// One fault, or what led to it and it.
#[derive(Debug, Clone, Copy)]
struct Point {
    /// What is being done.
    deed: Deed,
    /// Whether it happens on the way back, which the failure of the deed's last operation has led to.
    is_back: bool,
    /// The operation, counted from the deed's first.
    at: usize,
    /// What happens.
    fault: Fault,
}

impl Point {
    fn kind(&self) -> (bool, bool, Deed, bool) {
        (self.fault.kills(), self.fault == Fault::Crossed, self.deed, self.is_back)
    }
}

/// What came of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// What was to be done is done, by the run or by the next one.
    Done,
    /// The run was taken back.
    TakenBack,
}

/// What was tried of one lab: how often, and how often the run was taken back.
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, (usize, usize)>);

impl Tally {
    fn count(&mut self, point: &Point, outcome: Option<Outcome>) {
        let what = match point.fault {
            Fault::FailBefore | Fault::FailAfter => "failed",
            Fault::KillBefore | Fault::KillAfter => "killed",
            Fault::Crossed => "crossed",
        };
        let back = if point.is_back { " on the way back" } else { "" };
        let (tried, taken_back) = self.0.entry(format!("{:?} {what}{back}", point.deed)).or_default();
        *tried += 1;
        *taken_back += usize::from(outcome == Some(Outcome::TakenBack));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (what, (tried, taken_back)) in &self.0 {
            write!(f, "{separator}{what} {tried} (taken back {taken_back})")?;
            separator = ", ";
        }
        Ok(())
    }
}

fn stride() -> usize {
    env::var("FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(STRIDE)
}

/// Tries the points of the lab's life: all of them, or each `FAULTS`th.
pub fn prove(file: &str) {
    let mut lab = Lab { file, after: BTreeMap::new(), last: BTreeMap::new() };
    let mut all = lab.points();
    let only = env::var("FAULTS_ONLY").unwrap_or_default();
    all.retain(|point| format!("{:?}", point.fault).starts_with(&only));
    let stride = if all.len() > LARGE { stride().max(all.len() / OF_A_LARGE_ONE) } else { stride() };
    // Another first one for each lab, so that together they meet every kind of operation.
    let first = file.bytes().fold(0, |sum, byte| (sum * 31 + usize::from(byte)) % stride);
    let chosen: Vec<Point> = all.iter().copied().skip(first).step_by(stride).collect();
    let mut tally = Tally::default();
    let mut failed = Vec::new();
    for group in chosen.chunk_by(|one, other| one.kind() == other.kind()) {
        let mut before = None;
        for point in group {
            let tried = lab.tried(point, &mut before);
            tally.count(point, tried.as_ref().ok().copied());
            if let Err(why) = tried {
                // All of them take hours, in which one wants to know.
                println!("{file}: {point:?}: {why}");
                failed.push(format!("{point:?}: {why}"));
            }
        }
    }
    let said = format!("{file}: {} of {} points, {} failed: {tally}\n", chosen.len(), all.len(), failed.len());
    println!("{said}");
    let written = format!("{}/faults-{}.txt", env!("CARGO_TARGET_TMPDIR"), file.replace('/', "-"));
    fs::write(written, said).expect("the folder that cargo has for this");
    assert!(failed.is_empty(), "{} points of {file} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(!chosen.is_empty(), "no point of {} was tried", all.len());
}

struct Lab<'a> {
    file: &'a str,
    /// What the kernel holds after a deed, hardware addresses that it made up aside.
    after: BTreeMap<Deed, State>,
    /// The last operation of a deed from which there is a way back.
    last: BTreeMap<Deed, usize>,
}

impl Lab<'_> {
    fn order(&self, deed: Deed) -> Order {
        Order::new(self.file, deed)
    }

    /// Does it without a fault, and counts operations.
    fn done(&self, deed: Deed) -> (usize, usize) {
        self.order(deed).carry_out().unwrap_or_else(|(failure, _)| panic!("{deed:?} without a fault: {failure:?}"))
    }

    /// Every point there is, those of one kind together.
    fn points(&mut self) -> Vec<Point> {
        let mut points = Vec::new();
        // What a first run leaves on a host for good: a folder, a mount.
        self.done(Deed::Apply);
        self.done(Deed::Destroy);
        for deed in [Deed::Apply, Deed::Replace, Deed::Update, Deed::Destroy] {
            self.set_up(deed);
            let (done, count) = self.order(deed).carry_out_counted();
            done.unwrap_or_else(|failure| panic!("{deed:?}: {failure:?}"));
            let (operations, forward) = (count.all.get(), count.until_the_end());
            self.after.insert(deed, State::settled_without_made_up());
            self.set_up(deed);
            self.last.insert(deed, forward - 1);
            let Err((_, all)) = self.order(deed).with(&[self.failing(deed)]).carry_out() else {
                panic!("{deed:?} did not fail")
            };
            let mut add = |is_back: bool, range: std::ops::Range<usize>, faults: &[Fault]| {
                let of = |at| faults.iter().map(move |&fault| Point { deed, is_back, at, fault });
                points.extend(range.flat_map(of));
            };
            add(false, 0..operations, &[Fault::FailBefore, Fault::FailAfter]);
            add(false, 0..operations, &[Fault::KillBefore, Fault::KillAfter]);
            add(true, forward..all, &[Fault::FailBefore, Fault::FailAfter]);
            add(true, forward..all, &[Fault::KillBefore, Fault::KillAfter]);
            let crossable = count.crossable.take();
            let crossed = |at| Point { deed, is_back: false, at, fault: Fault::Crossed };
            points.extend(crossable.into_iter().map(crossed));
        }
        self.after.remove(&Deed::Replace);
        points
    }

    /// What leads to the whole way back.
    fn failing(&self, deed: Deed) -> (usize, Fault) {
        (self.last[&deed], Fault::FailBefore)
    }

    /// Brings the kernel to where the deed begins.
    fn set_up(&self, deed: Deed) {
        match deed {
            Deed::Apply => _ = self.done(Deed::Destroy),
            Deed::Update | Deed::Replace | Deed::Destroy => _ = self.done(Deed::Apply),
        }
    }

    /// Tries a point; `before` is what the kernel holds where the deed begins, once that is known.
    fn tried(&self, point: &Point, before: &mut Option<State>) -> Result<Outcome, String> {
        let fault = (point.at, point.fault);
        let faults = if point.is_back { vec![self.failing(point.deed), fault] } else { vec![fault] };
        if point.fault.kills() {
            self.set_up(point.deed);
            return self.is_killed(point, &faults);
        }
        if point.fault == Fault::Crossed {
            self.set_up(point.deed);
            return self.is_crossed(point, &faults);
        }
        if before.as_ref().is_none_or(|before| State::take() != *before) {
            self.set_up(point.deed);
            *before = Some(State::settled());
        }
        let Some(before) = before else { return Ok(Outcome::Done) };
        match self.order(point.deed).with(&faults).carry_out() {
            // What has failed was among the last steps, behind which there is only the way forward.
            Ok(_) => self.has_done(point.deed),
            Err((failure, _)) => {
                before.restored().map_err(|diff| format!("{failure:?}\n{diff}"))?;
                Ok(Outcome::TakenBack)
            }
        }
    }

    /// The process is killed: the next command does what it should.
    fn is_killed(&self, point: &Point, faults: &[(usize, Fault)]) -> Result<Outcome, String> {
        let (status, text) = self.order(point.deed).with(faults).carry_out_apart();
        // How many operations a way back takes depends on what the kernel does by itself meanwhile.
        let was_back_before = point.is_back && text.contains("Rolled back");
        if status.signal() != Some(9) && !was_back_before {
            return Err(format!("it was not killed: {status}\n{text}"));
        }
        // Whoever comes next may want any of these.
        let next = [point.deed, Deed::Destroy, Deed::Apply][point.at % 3];
        self.order(next).carry_out().map_err(|(failure, _)| format!("then {next:?}: {failure:?}"))?;
        self.has_done(next)
    }

    /// Another program gets in the way: the run comes to its end all the same, or is taken back, what the other one has made
    /// is there still, and once that has gone the next command does what it should.
    fn is_crossed(&self, point: &Point, faults: &[(usize, Fault)]) -> Result<Outcome, String> {
        let (ran, count) = self.order(point.deed).with(faults).carry_out_counted();
        let crossing = count.crossing.take().ok_or("nobody got in its way")?;
        let outcome = match ran {
            Ok(()) => self.has_done(point.deed),
            Err(_) => {
                let stays = crossing.stays();
                crossing.goes();
                let next = [point.deed, Deed::Destroy, Deed::Apply][point.at % 3];
                let then = self.order(next).carry_out().map_err(|(failure, _)| format!("then {next:?}: {failure:?}"));
                let done = then.and_then(|_| self.has_done(next));
                let taken_back = done.map(|_| Outcome::TakenBack);
                if stays { taken_back } else { Err("what the other one had made is gone".to_owned()) }
            }
        };
        outcome.map_err(|why| format!("{crossing:?}: {why}"))
    }

    /// Whether the kernel holds what it holds after the deed.
    fn has_done(&self, deed: Deed) -> Result<Outcome, String> {
        let wanted = &self.after[&if deed == Deed::Replace { Deed::Apply } else { deed }];
        for _ in 0..100 {
            if State::take_without_made_up() == *wanted {
                return Ok(Outcome::Done);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("after {deed:?}:\n{}", wanted.diff(&State::take_without_made_up())))
    }
}
