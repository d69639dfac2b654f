use super::*;
use crate::probe::Limits;

fn read(line: &str) -> Result<Cli, Refusal> {
    parse(std::iter::once("netwright").chain(line.split_whitespace()).map(OsString::from))
}

fn verb(line: &str) -> Verb {
    read(line).unwrap_or_else(|refusal| panic!("{line}: {}", said(&refusal))).verb
}

fn said(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Usage(error) => error.to_string(),
        Refusal::Later(verb) => later(verb),
    }
}

fn refused(line: &str) -> (u8, String) {
    let refusal = read(line).err().unwrap_or_else(|| panic!("{line} was taken"));
    (refusal.exit_code(), said(&refusal))
}

#[test]
fn the_definitions_hold_together() {
    Cli::command().debug_assert();
}

#[test]
fn plan_takes_every_flag_with_one_dash() {
    let line = "plan lab.yaml -out p.plan -target link.web:eth0 -target=namespace.db -replace bridge.br0 \
                -detailed-exitcode -json -name ci-7 -var n=4 -var=k=a=b -no-color";
    let cli = read(line).unwrap();
    assert!(cli.no_color);
    let Verb::Plan(plan) = cli.verb else { panic!("not a plan") };
    assert_eq!(plan.file, Some("lab.yaml".into()));
    assert_eq!(plan.planning.out, Some("p.plan".into()));
    let targets: Vec<_> = plan.planning.targets.iter().map(ToString::to_string).collect();
    assert_eq!(targets, ["link.web:eth0", "namespace.db"]);
    assert_eq!(plan.planning.replacements.len(), 1);
    assert!(plan.planning.detailed_exitcode && plan.planning.json && !plan.planning.destroy);
    assert_eq!(plan.reading.name.unwrap().as_str(), "ci-7");
    let vars: Vec<_> = plan.reading.vars.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
    assert_eq!(vars, [("n", "4"), ("k", "a=b")]);
}

#[test]
fn apply_takes_plans_flags_too() {
    let line =
        "apply --auto-approve -parallelism 4 -lock-timeout 30s -no-rollback -destroy -detailed-exitcode lab.toml";
    let Verb::Apply(apply) = verb(line) else { panic!("not an apply") };
    assert!(apply.running.auto_approve && apply.running.no_rollback && apply.planning.destroy);
    assert!(apply.planning.detailed_exitcode);
    assert_eq!(apply.running.parallelism, Some(4));
    assert_eq!(apply.running.lock_timeout(Some("5s".as_ref())), Ok(Duration::from_secs(30)));
    assert_eq!(apply.file, Some("lab.toml".into()));
}

#[test]
fn the_environment_says_how_long_to_wait_where_no_flag_does() {
    let Verb::Apply(apply) = verb("apply lab.toml") else { panic!("not an apply") };
    let wait = |environment: Option<&str>| apply.running.lock_timeout(environment.map(AsRef::as_ref));
    assert_eq!(wait(None), Ok(Duration::ZERO));
    assert_eq!(wait(Some("")), Ok(Duration::ZERO));
    assert_eq!(wait(Some("5s")), Ok(Duration::from_secs(5)));
    let error = wait(Some("5")).unwrap_err();
    assert!(error.starts_with("invalid value '5' of NETWRIGHT_LOCK_TIMEOUT: write a number with a unit"), "{error}");
}

#[test]
fn every_verb_can_be_asked_for() {
    let Verb::Validate(validate) = verb("validate a.yaml b.toml -json") else { panic!() };
    assert_eq!((validate.files.len(), validate.json), (2, true));
    let Verb::Validate(validate) = verb("validate - -format yaml") else { panic!() };
    assert_eq!((validate.files, validate.reading.format), (vec!["-".into()], Some(Format::Yaml)));
    let Verb::Destroy(destroy) = verb("destroy web-lab -auto-approve -json") else { panic!() };
    assert!(destroy.operand == Some("web-lab".into()) && destroy.running.auto_approve && destroy.json);
    let Verb::Destroy(destroy) = verb("destroy -all") else { panic!() };
    assert!(destroy.all && destroy.operand.is_none());
    let Verb::Test(test) = verb("test web-lab -json -junit r.xml") else { panic!() };
    assert!(test.json && test.junit == Some("r.xml".into()));
    assert_eq!(test.timeout, Limits::default().reachable, "the flag and the probe have one default");
    let Verb::Sandbox(sandbox) = verb("sandbox -- ip -json -- link") else { panic!() };
    assert_eq!(sandbox.command, ["ip", "-json", "--", "link"]);
    let Verb::Sandbox(sandbox) = verb("sandbox") else { panic!() };
    assert!(sandbox.command.is_empty());
    assert!(matches!(verb("list -json"), Verb::List(List { json: true })));
    let Verb::Show(show) = verb("show lab.plan -json") else { panic!() };
    assert!(show.json && show.operand == Some("lab.plan".into()));
    assert!(matches!(verb("schema"), Verb::Schema(Schema { of: SchemaOf::Topology })));
    assert!(matches!(verb("schema plan"), Verb::Schema(Schema { of: SchemaOf::Plan })));
    assert!(matches!(verb("version -json"), Verb::Version(Version { json: true })));
}

#[test]
fn a_flag_may_be_said_twice() {
    let Verb::Plan(plan) = verb("plan -json -json -out a -out b -target namespace.a -target namespace.b") else {
        panic!()
    };
    assert!(plan.planning.json && plan.planning.out == Some("b".into()));
    assert_eq!(plan.planning.targets.len(), 2);
}

#[test]
fn what_cannot_be_meant_is_refused_with_exit_code_1() {
    for (line, why) in [
        ("plan -destroy -refresh-only", "cannot be used with"),
        ("plan -replace namespace.a -destroy", "cannot be used with"),
        ("destroy -all web-lab", "cannot be used with"),
        ("plan -target web", "`web` is not a resource address; write KIND.NAME, such as link.web:eth0"),
        ("plan -name Web", "may hold a-z, 0-9 and `-` only, not `W`"),
        ("plan -var n", "write NAME=VALUE, such as n=4"),
        ("apply -parallelism 0", "write a number from 1 to 1024"),
        ("apply -lock-timeout 30", "write a number with a unit, such as 30s"),
        ("apply -auto-aprove", "'--auto-approve'"),
        ("plna", "'plan'"),
        ("plan a.yaml b.yaml", "unexpected argument 'b.yaml'"),
        ("sandbox ls", "write -- before what is to be run: netwright sandbox -- CMD"),
        ("plan - -format xml", "[possible values: toml, yaml, json]"),
        ("", "Usage: netwright"),
    ] {
        let (code, said) = refused(line);
        assert_eq!(code, 1, "{line}");
        assert!(said.contains(why), "{line}: {said}");
    }
}

#[test]
fn help_that_was_asked_for_is_no_failure() {
    for line in ["-help", "--help", "-h", "help", "plan -help", "help apply", "-version", "-V"] {
        assert_eq!(refused(line).0, 0, "{line}");
    }
}

#[test]
fn a_verb_of_later_is_named_as_such_and_not_listed() {
    let help = refused("--help").1;
    for verb in LATER {
        let (code, said) = refused(&format!("{verb} web-lab web -- ls"));
        assert_eq!(code, 1);
        assert!(said.contains(&format!("`netwright {verb}` is not in this version yet")), "{said}");
        assert!(!help.lines().any(|line| line.trim_start().starts_with(&format!("{verb} "))), "{verb} is listed");
    }
    assert_eq!(refused("-no-color exec web").0, 1);
}

/// The help at a width that does not depend on the terminal that the tests run in.
fn help(verb: Option<&str>) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    match verb {
        // A verb has no long texts, so that clap gives it the dense layout for `-help` too.
        Some(verb) => command.find_subcommand_mut(verb).unwrap().render_help().to_string(),
        None => command.render_long_help().to_string(),
    }
}

#[test]
fn the_help_is_what_a_newcomer_reads() {
    insta::assert_snapshot!(help(None));
}

#[test]
fn the_help_of_a_verb_tells_every_flag() {
    let verbs = ["validate", "plan", "apply", "destroy", "test", "sandbox", "list", "show", "schema", "version"];
    insta::assert_snapshot!(verbs.map(|verb| help(Some(verb))).join("\n────────\n"));
}

#[test]
fn fmt_and_convert_take_their_flags() {
    let Verb::Fmt(fmt) = verb("fmt a.yaml b.toml - -check -diff -format json") else { panic!("not fmt") };
    assert_eq!(fmt.files, ["a.yaml", "b.toml", "-"].map(std::path::PathBuf::from));
    assert!(fmt.check && fmt.diff && fmt.format == Some(Format::Json));
    let Verb::Convert(convert) = verb("convert a.yaml -to toml -o b.toml") else { panic!("not convert") };
    assert_eq!((convert.to, convert.out), (Some(Format::Toml), Some("b.toml".into())));
}
