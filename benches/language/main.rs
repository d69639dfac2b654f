//! How long a large file takes: read, resolved, turned to a graph. `cargo bench --bench language` prints the medians, and
//! fails where a file of ten thousand namespaces takes longer than it may. `-- grid` measures those that are called so alone.

mod shapes;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use netwright::{
    diff,
    spec::{self, Format, resolve},
};
use shapes::Shape;

/// As the tool itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each is measured.
const RUNS: usize = 15;

/// How long the whole way of one file may take, at the median.
const LIMIT: Duration = Duration::from_millis(500);

/// The stages of one run, and the whole.
#[derive(Clone, Copy)]
struct Times {
    read: Duration,
    resolve: Duration,
    graph: Duration,
}

impl Times {
    fn whole(&self) -> Duration {
        self.read + self.resolve + self.graph
    }
}

fn main() -> ExitCode {
    println!(
        "{:<28} {:<5} {:>7} {:>8} {:>8} {:>8} {:>8}",
        "ms, medians", "", "KiB", "read", "resolve", "graph", "whole"
    );
    let wanted = std::env::args().skip(1).find(|it| !it.starts_with('-')).unwrap_or_default();
    let mut slow = false;
    for shape in shapes::all().into_iter().filter(|shape| shape.name.contains(&wanted)) {
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            slow |= report(&shape, format).is_none_or(|whole| whole > LIMIT);
        }
    }
    if slow { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Measures one shape in one format; the median of the whole way, where there is one.
fn report(shape: &Shape, format: Format) -> Option<Duration> {
    let text = text(shape, format)?;
    let runs: Vec<Times> = (0..RUNS).map_while(|_| run(&text, format)).collect();
    if runs.len() < RUNS {
        println!("{:<28} {:<5} is not valid", shape.name, format.as_str());
        return None;
    }
    let of = |part: fn(&Times) -> Duration| median(runs.iter().map(part).collect());
    let whole = of(Times::whole);
    let columns = [of(|it| it.read), of(|it| it.resolve), of(|it| it.graph), whole];
    let [read, resolve, graph, all] = columns.map(|time| format!("{:.1}", time.as_secs_f64() * 1e3));
    let (name, kib) = (shape.name, text.len() / 1024);
    println!("{name:<28} {:<5} {kib:>7} {read:>8} {resolve:>8} {graph:>8} {all:>8}", format.as_str());
    Some(whole)
}

fn text(shape: &Shape, format: Format) -> Option<String> {
    match format {
        Format::Yaml => serde_yaml::to_string(&shape.file).ok(),
        Format::Toml => toml::to_string(&shape.file).ok(),
        Format::Json => serde_json::to_string_pretty(&shape.file).ok(),
    }
}

/// The way that `validate` goes. `None` where the file has an error.
fn run(text: &str, format: Format) -> Option<Times> {
    let start = Instant::now();
    let (_, file, read) = spec::parse(text.as_bytes(), "lab", format);
    let parsed = Instant::now();
    let (topology, resolved) = resolve::resolve(&file?);
    let known = Instant::now();
    diff::check_order(&topology?).ok()?;
    let graph = known.elapsed();
    let valid = !read.has_errors() && !resolved.has_errors();
    valid.then_some(Times { read: parsed - start, resolve: known - parsed, graph })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
