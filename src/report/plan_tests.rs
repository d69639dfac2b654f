use super::*;
use crate::{
    plan::{FORMAT_VERSION, Value},
    report::style::plain,
};

pub(crate) fn plan(changes: Vec<Change>) -> Plan {
    Plan {
        format_version: FORMAT_VERSION.to_owned(),
        topology: "web-lab".parse().unwrap(),
        destroy: false,
        changes,
        findings: Vec::new(),
    }
}

pub(crate) fn change(address: &str, action: Action, attributes: Vec<AttributeChange>) -> Change {
    Change { address: address.parse().unwrap(), action, attributes, unchanged: 0, reason: None, disrupts: Vec::new() }
}

pub(crate) fn attribute(name: &str, before: Option<Value>, after: Option<Value>) -> AttributeChange {
    AttributeChange { name: name.to_owned().into(), before, after, forces_replacement: false, note: None }
}

pub(crate) fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

pub(crate) fn number(number: u64) -> Option<Value> {
    Some(Value::Number(number))
}

fn list(items: &[&str]) -> Option<Value> {
    Some(Value::List(items.iter().map(|i| (*i).to_owned()).collect()))
}

fn created() -> Change {
    change(
        "link.web:eth0",
        Action::Create,
        vec![
            attribute("mtu", None, number(1500)),
            attribute("peer", None, text("br0")),
            attribute("up", None, Some(Value::Bool(true))),
            attribute("web:eth0.addresses", None, list(&["192.168.0.2/24", "fd00:10::2/64"])),
            attribute("br0:web-eth0.addresses", None, list(&[])),
        ],
    )
}

fn updated() -> Change {
    let mut forwarding = attribute("forwarding", Some(Value::Bool(false)), Some(Value::Bool(true)));
    forwarding.note = Some("borrowed, given back on destroy".to_owned());
    Change {
        unchanged: 2,
        disrupts: vec!["web:eth0 loses its addresses for a moment".to_owned()],
        ..change(
            "bridge.br0",
            Action::Update,
            vec![
                attribute("mtu", number(1500), number(9000)),
                attribute(
                    "addresses",
                    list(&["192.168.0.1/24", "192.168.1.1/24", "192.168.2.1/24"]),
                    list(&["192.168.0.1/24", "192.168.2.1/24", "fd00:10::1/64"]),
                ),
                attribute("description", None, text("the \"lab\" bridge")),
                attribute("ageing_time", number(300), None),
                attribute("name", text("br0"), text("br0")),
                forwarding,
            ],
        )
    }
}

fn replaced() -> Change {
    let mut namespace = attribute("namespace", text("web"), text("db"));
    namespace.forces_replacement = true;
    let mut queues = attribute("queues", number(1), number(4));
    queues.forces_replacement = true;
    queues.note = Some("fixed when a device is made".to_owned());
    Change {
        unchanged: 1,
        reason: Some("namespace.web is replaced".to_owned()),
        disrupts: vec!["web:eth0 loses carrier".to_owned(), "route.web:default goes with it".to_owned()],
        ..change("link.web:eth0", Action::Replace, vec![namespace, queues])
    }
}

fn deleted() -> Change {
    change(
        "route.db:10.9.0.0/16",
        Action::Delete,
        vec![attribute("via", text("192.168.0.254"), None), attribute("tags", list(&["a"]), None)],
    )
}

fn shown(plan: &Plan) -> String {
    plain(&render(plan, View::Changes))
}

#[test]
fn a_create_shows_everything_it_makes() {
    insta::assert_snapshot!(shown(&plan(vec![created()])));
}

#[test]
fn an_update_shows_what_differs() {
    insta::assert_snapshot!(shown(&plan(vec![updated()])));
}

#[test]
fn a_replacement_says_what_forces_it_and_who_notices() {
    insta::assert_snapshot!(shown(&plan(vec![replaced()])));
}

#[test]
fn a_delete_shows_what_goes() {
    insta::assert_snapshot!(shown(&plan(vec![deleted()])));
}

#[test]
fn a_mixed_plan_has_every_symbol_in_its_legend() {
    insta::assert_snapshot!(shown(&plan(vec![deleted(), replaced(), updated(), created()])));
}

#[test]
fn a_plan_without_changes_says_so() {
    insta::assert_snapshot!(shown(&plan(Vec::new())));
    assert!(plain(&render(&plan(Vec::new()), View::Drift)).contains("No changes. The network matches the topology."));
}

#[test]
fn a_destroy_plan_without_changes_says_so() {
    let plan = Plan { destroy: true, ..plan(Vec::new()) };
    insta::assert_snapshot!(shown(&plan));
}

#[test]
fn a_destroy_plan_only_destroys() {
    let plan = Plan { destroy: true, ..plan(vec![deleted()]) };
    let shown = shown(&plan);
    assert!(shown.contains("  - destroy\n") && !shown.contains("+ create"), "{shown}");
    assert!(shown.contains("# route.db:10.9.0.0/16 will be destroyed"), "{shown}");
    assert!(shown.ends_with("\nPlan: 0 to add, 0 to change, 1 to destroy.\n"), "{shown}");
}

#[test]
fn drift_is_told_as_what_has_happened() {
    let plan = plan(vec![created(), updated(), replaced(), deleted()]);
    insta::assert_snapshot!(plain(&render(&plan, View::Drift)));
}

fn found() -> Plan {
    let finding = |severity, code: &str, message: &str, help: Option<&str>| Finding {
        severity,
        code: code.to_owned(),
        message: message.to_owned(),
        help: help.map(str::to_owned),
    };
    Plan {
        findings: vec![
            finding(
                Severity::Error,
                "conflict::name_taken",
                "a device called br0 exists in host and is not of this topology",
                Some("rename the bridge with `interface`, or remove the device"),
            ),
            finding(Severity::Warning, "host::ipv6_ra", "host would lose \u{1b}[31mits IPv6 default route", None),
        ],
        ..plan(Vec::new())
    }
}

#[test]
fn findings_are_told_apart_from_the_plan() {
    insta::assert_snapshot!(plain(&findings(&found().findings)));
    assert_eq!(findings(&[]), "");
}

#[test]
fn a_plan_that_met_an_error_does_not_say_that_nothing_differs() {
    assert_eq!(shown(&found()), "");
    let shown = shown(&Plan { changes: vec![deleted()], ..found() });
    assert!(shown.contains("but then encountered a problem:") && !shown.contains("will perform"), "{shown}");
}

#[test]
fn colours_are_terraforms() {
    let shown = render(&plan(vec![replaced()]), View::Changes);
    assert!(shown.contains("\u{1b}[31m-\u{1b}[0m/\u{1b}[32m+\u{1b}[0m link"), "{shown:?}");
    assert!(shown.contains("\u{1b}[31m# forces replacement\u{1b}[0m"), "{shown:?}");
}

#[test]
fn a_name_of_the_kernels_cannot_drive_the_terminal() {
    let plan = plan(vec![change("link.\u{1b}[2J", Action::Delete, vec![attribute("alias", text("\u{1b}c"), None)])]);
    let shown = anstream::adapter::strip_str(&render(&plan, View::Changes)).to_string();
    assert!(shown.contains("# link.\\u001b[2J will be destroyed") && shown.contains(r#"alias = "\u001bc""#), "{shown}");
}
