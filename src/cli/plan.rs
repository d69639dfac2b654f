//! `plan`: what apply would do now.

use std::path::Path;

use super::{
    Exit, Failure,
    args::{self, Planning},
    leave, load, out,
    session::{Ahead, Session, live},
};
use crate::{
    diff::Choices,
    kind::Topology,
    plan::{Plan, relies, saved::SavedPlan},
    report::{
        json::Lines,
        plan::{View, findings, has_errors, render},
        words,
    },
};

/// Runs the verb.
pub fn run(args: &args::Plan) -> Result<Exit, Failure> {
    if args.planning.refresh_only && args.planning.out.is_some() {
        return Err(Failure::new(
            "-out saves what is to be done, and -refresh-only does nothing; leave one of them out",
        ));
    }
    let (loaded, ahead) = load::file_beside(args.file.as_deref(), &args.reading, Ahead::begin)?;
    let (topology, stored) = loaded.topology(args.planning.json)?;
    let kernel = ahead.map_or_else(live, |ahead| Ok(ahead.kernel))?;
    let session = Session::open(kernel, topology.name.clone())?;
    if args.planning.refresh_only {
        return refresh_only(&session, &topology, &args.planning);
    }
    let wanted = (!args.planning.destroy).then_some(&topology);
    let choices = choices(&args.planning);
    let (mut prepared, snapshot) = session.look(wanted, &choices)?;
    prepared.plan.findings.extend(session.unfinished());
    show(&prepared.plan, args.planning.json, View::Changes)?;
    if has_errors(&prepared.plan) {
        return Err(Failure::Said);
    }
    if let Some(saved) = &args.planning.out {
        let relies_on = relies::of(&topology.name, wanted, &prepared, &snapshot);
        let plan = SavedPlan::new(prepared.plan.clone(), stored, choices, relies_on).map_err(Failure::new)?;
        save(saved, &plan)?;
        if !args.planning.json {
            out::print(words::saved(&saved.to_string_lossy()))?;
        }
    } else if !args.planning.json && !prepared.plan.is_empty() {
        out::line(format_args!("\n{}", words::NOT_SAVED))?;
    }
    let exit = exit(&prepared.plan, args.planning.detailed_exitcode);
    leave((prepared, snapshot, topology));
    Ok(exit)
}

/// What the flags say of the plan.
pub fn choices(planning: &Planning) -> Choices {
    Choices { replace: planning.replacements.clone(), targets: planning.targets.clone() }
}

/// 2 with `-detailed-exitcode` where there is a difference.
pub fn exit(plan: &Plan, detailed: bool) -> Exit {
    if detailed && !plan.is_empty() { Exit::Differs } else { Exit::Done }
}

/// Prints a plan: results to stdout, what was found on the way to stderr.
pub fn show(plan: &Plan, json: bool, view: View) -> Result<(), Failure> {
    if json {
        let mut lines = Lines::new(std::io::stdout().lock());
        lines.version().map_err(Failure::output)?;
        let written = match view {
            View::Changes => lines.plan(plan),
            View::Drift => lines.drift(plan),
        };
        return written.map_err(Failure::output);
    }
    out::print(render(plan, view))?;
    out::say_as_it_is(findings(&plan.findings));
    Ok(())
}

/// What has happened to the kernel since the last apply: the plan back to it, read backwards.
fn refresh_only(session: &Session, topology: &Topology, planning: &Planning) -> Result<Exit, Failure> {
    let applied = session.memo().and_then(|memo| load::restore(&memo.source, &topology.name));
    let applied = applied.and_then(|loaded| loaded.topology);
    let mut prepared = session.plan(Some(applied.as_ref().unwrap_or(topology)), &choices(planning))?;
    session.forget_unmade(&mut prepared.plan);
    prepared.plan.findings.extend(session.unfinished());
    show(&prepared.plan, planning.json, View::Drift)?;
    Ok(exit(&prepared.plan, planning.detailed_exitcode))
}

fn save(path: &Path, saved: &SavedPlan) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(saved).map_err(Failure::new)?;
    std::fs::write(path, text + "\n")
        .map_err(|error| Failure::new(format!("cannot save the plan to {}: {}", path.display(), load::plain(&error))))
}
