//! The pure stages, for stars of more and more namespaces: `cargo bench --bench stages`. What a stage costs for ten times as
//! much should be ten times as much.

use divan::{Bencher, black_box};
use netwright::{
    diff::Choices,
    exec,
    kernel::{Kernel as _, fake::Fake},
    kind::{Topology, made::NOTHING},
    model::Snapshot,
    observe,
    plan::{Inputs, Prepared, build},
    spec::{self, Format, resolve},
};

use labs::{Edit, star};

#[path = "../race/labs.rs"]
#[expect(dead_code, reason = "the other networks are for the race")]
mod labs;

/// As the tool itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COUNTS: [usize; 3] = [100, 1000, 10_000];
/// The kernel that stands for one in the tests takes minutes to make more.
const MADE: [usize; 3] = [100, 300, 1000];

fn main() {
    divan::main();
}

fn topology(text: &str) -> Topology {
    let (_, file, _) = spec::parse(text.as_bytes(), "lab", Format::Yaml);
    resolve::resolve(&file.expect("a file")).0.expect("a topology")
}

fn plan(topology: &Topology, wanted: Option<&Topology>, snapshot: &Snapshot) -> Prepared {
    let choices = Choices::default();
    build(&Inputs { name: &topology.name, topology: wanted, snapshot, memo: &NOTHING, choices: &choices })
}

/// What there is after an apply.
fn applied(topology: &Topology) -> Snapshot {
    let mut kernel = Fake::empty();
    let request = observe::request(Some(topology));
    let prepared = plan(topology, Some(topology), &kernel.read(&request).expect("a reading"));
    let run = exec::run(&mut kernel, &prepared, &|| false, &mut |_| (), &mut |_, _| ());
    run.unwrap_or_else(|stopped| panic!("{}", stopped.error));
    kernel.read(&request).expect("a reading")
}

#[divan::bench(args = COUNTS, sample_count = 10)]
fn read_the_file(bencher: Bencher, count: usize) {
    let text = star(count, Edit::default());
    bencher.bench_local(|| spec::parse(black_box(text.as_bytes()), "lab", Format::Yaml));
}

#[divan::bench(args = COUNTS, sample_count = 10)]
fn resolve_the_names(bencher: Bencher, count: usize) {
    let (_, file, _) = spec::parse(star(count, Edit::default()).as_bytes(), "lab", Format::Yaml);
    let file = file.expect("a file");
    bencher.bench_local(|| resolve::resolve(black_box(&file)));
}

#[divan::bench(args = COUNTS, sample_count = 10)]
fn plan_from_nothing(bencher: Bencher, count: usize) {
    let topology = topology(&star(count, Edit::default()));
    let snapshot = Fake::empty().read(&observe::request(Some(&topology))).expect("a reading");
    bencher.bench_local(|| plan(&topology, Some(&topology), black_box(&snapshot)));
}

#[divan::bench(args = MADE, sample_count = 10)]
fn plan_without_a_change(bencher: Bencher, count: usize) {
    let topology = topology(&star(count, Edit::default()));
    let snapshot = applied(&topology);
    assert!(plan(&topology, Some(&topology), &snapshot).plan.is_empty());
    bencher.bench_local(|| plan(&topology, Some(&topology), black_box(&snapshot)));
}

#[divan::bench(args = MADE, sample_count = 10)]
fn plan_to_destroy(bencher: Bencher, count: usize) {
    let topology = topology(&star(count, Edit::default()));
    let snapshot = applied(&topology);
    bencher.bench_local(|| plan(&topology, None, black_box(&snapshot)));
}
