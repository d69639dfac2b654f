//! netwright beside the floor and its peers: the same networks, on this machine, in turns, with what came of it compared.
//! `cargo bench --bench race` does all of it in private namespaces, in some minutes; `-- ROUNDS PART` does each work so often,
//! and only the one of that name, or those with `PART` in theirs.

mod labs;
mod measure;
mod peers;
mod works;

use std::{
    env, fs, io,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use measure::Run;
use works::{Runner, Tools, Words, Work};

const NETWRIGHT: &str = env!("CARGO_BIN_EXE_netwright");
/// Tells that this process is in the sandbox.
const INSIDE: &str = "RACE_INSIDE";
const ROUNDS: usize = 5;
/// How long the kernel is left alone after a network went.
const REST: Duration = Duration::from_secs(3);
/// How long it is after one came: until the last router solicitations of its links have gone unanswered.
const SETTLES: Duration = Duration::from_secs(14);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("race: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    if env::var_os(INSIDE).is_none() {
        let (program, words): (&str, &[&str]) = match nix::unistd::geteuid().is_root() {
            // In a user namespace iptables loads some hundred rules at most.
            true => (
                "unshare",
                &["-mn", "sh", "-c", "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$0\" \"$@\""],
            ),
            false => (NETWRIGHT, &["sandbox", "--"]),
        };
        let mut inside = Command::new(program);
        inside.args(words).arg(env::current_exe()?).args(env::args_os().skip(1)).env(INSIDE, "1");
        return Err(inside.exec());
    }
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let rounds = words.iter().find_map(|word| word.parse().ok()).unwrap_or(ROUNDS);
    let part = words.iter().find(|word| word.parse::<usize>().is_err()).map_or("", String::as_str);
    let folder = "/run/race";
    fs::create_dir_all(folder)?;
    let tools = Tools { netwright: NETWRIGHT.to_owned(), floor: floor()?, folder: folder.to_owned() };
    println!("{:<38} {:<36} {:>9} {:>19} {:>7} {:>9}", "", "", "median", "from - to", "ratio", "memory");
    let works = works::all(&tools)?;
    let is_one = works.iter().any(|work| work.name == part);
    let is_meant = |work: &&Work| if is_one { work.name == part } else { !work.takes_long && work.name.contains(part) };
    for work in works.iter().filter(is_meant) {
        report(work, &race(work, rounds, &tools)?);
    }
    Ok(())
}

/// The floor is built beside this program.
fn floor() -> io::Result<String> {
    let own = env::current_exe()?;
    let target = own.parent().and_then(|deps| deps.parent()).map(|target| target.join("examples/floor"));
    let path: PathBuf = target.filter(|path| path.is_file()).ok_or_else(|| {
        io::Error::other("the floor is not built: cargo build --release --example floor, or make bench")
    })?;
    Ok(path.to_string_lossy().into_owned())
}

/// Every runner in turn, so often; what each of them took. Others that cannot do it here, such as without the machine's root, are
/// left out.
fn race(work: &Work, rounds: usize, tools: &Tools) -> io::Result<Vec<Vec<Run>>> {
    let mut runs: Vec<Vec<Run>> = work.runners.iter().map(|_| Vec::new()).collect();
    let mut network = None;
    if let Some((before, _)) = &work.around {
        let is_others = work.runners.iter().all(|runner| !runner.alike);
        if unless_left_out(&work.name, is_others, measure::run(&borrowed(before)))?.is_none() {
            return Ok(runs);
        }
        thread::sleep(SETTLES);
    }
    for round in 0..rounds {
        for (runner, runs) in work.runners.iter().zip(&mut runs) {
            // Who was left out once has not run in the first round.
            if round == 0 || !(runs.is_empty() || runner.is_slow) {
                runs.extend(turn(work, runner, &mut network, tools)?);
            }
        }
    }
    if let Some((_, after)) = &work.around {
        measure::run(&borrowed(after))?;
        thread::sleep(REST);
    }
    Ok(runs)
}

/// One run; none where it is somebody else who cannot do it, and what it came to until then is taken away.
fn turn(work: &Work, runner: &Runner, network: &mut Option<String>, tools: &Tools) -> io::Result<Option<Run>> {
    let run = unless_left_out(runner.name, !runner.alike, once(work, runner, network, tools))?;
    if run.is_none() {
        // By its own command as far as it knows of it.
        let gone = tools.floor("gone");
        for words in runner.after.iter().chain([&gone]) {
            drop(measure::run(&borrowed(words)));
        }
    }
    Ok(run)
}

/// What was done; nothing where somebody else could not, which is said.
fn unless_left_out(who: &str, is_others: bool, run: io::Result<Run>) -> io::Result<Option<Run>> {
    match run {
        Err(error) if is_others => {
            eprintln!("race: {who} is left out: {}", error.to_string().trim_end());
            Ok(None)
        }
        run => run.map(Some),
    }
}

fn once(work: &Work, runner: &Runner, network: &mut Option<String>, tools: &Tools) -> io::Result<Run> {
    quietly(&runner.before)?;
    match (runner.before.is_empty(), runner.after.is_empty()) {
        (false, _) => thread::sleep(SETTLES),
        (true, false) => thread::sleep(REST),
        (true, true) => {}
    }
    let run = measure::watched(&borrowed(&runner.does), work.watched)?;
    if work.compared && runner.alike {
        let shown = Command::new(&tools.floor).arg("show").output()?.stdout;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let first = network.get_or_insert_with(|| shown.clone());
        if *first != shown {
            return Err(io::Error::other(format!(
                "{} made another network: {}",
                runner.name,
                difference(first, &shown)
            )));
        }
    }
    quietly(&runner.after)?;
    if !runner.before.is_empty() || !runner.after.is_empty() {
        thread::sleep(REST);
    }
    Ok(run)
}

fn quietly(commands: &[Words]) -> io::Result<()> {
    commands.iter().try_for_each(|words| measure::run(&borrowed(words)).map(drop))
}

fn borrowed(words: &Words) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The first line that only one of two has.
fn difference(one: &str, other: &str) -> String {
    let only =
        |this: &str, that: &str| this.lines().find(|line| !that.lines().any(|it| it == *line)).map(str::to_owned);
    let (one, other) = (only(one, other), only(other, one));
    format!("{} instead of {}", other.unwrap_or_default(), one.unwrap_or_default())
}

fn report(work: &Work, runs: &[Vec<Run>]) {
    let floor = median(&runs[0], |run| run.wall);
    for (place, (runner, runs)) in work.runners.iter().zip(runs).enumerate().filter(|(_, (_, runs))| !runs.is_empty()) {
        let name = if place == 0 { &*work.name } else { "" };
        line(name, runner.name, runs, |run| run.wall, floor);
        if work.watched {
            line("", "  until names are gone", runs, |run| run.names_gone.unwrap_or_default(), floor);
        }
    }
}

fn line(work: &str, runner: &str, runs: &[Run], of: fn(&Run) -> Duration, floor: Duration) {
    let middle = median(runs, of);
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let range = runs.iter().map(of).min().zip(runs.iter().map(of).max()).unwrap_or_default();
    let memory = runs.iter().map(|run| run.memory).max().unwrap_or_default();
    println!(
        "{work:<38} {runner:<36} {:>6} ms {:>19} {:>7.2} {:>5.1} MB",
        ms(middle),
        format!("{} - {}", ms(range.0), ms(range.1)),
        middle.as_secs_f64() / floor.as_secs_f64(),
        memory as f64 / 1024.0
    );
}

fn median(runs: &[Run], of: fn(&Run) -> Duration) -> Duration {
    let mut times: Vec<Duration> = runs.iter().map(of).collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
