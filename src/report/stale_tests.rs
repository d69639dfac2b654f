use super::*;
use crate::{
    model::{Severity, change::Finding},
    plan::relies::Facts,
    report::{
        plan::tests::{attribute, change, number, text},
        style::plain,
    },
};

fn relied(by: &str, thing: Thing, was: &[(Fact, &str)]) -> Relied {
    let was: Facts = was.iter().map(|(fact, value)| (*fact, (*value).to_owned())).collect();
    Relied { by: by.parse().unwrap(), foreign: !matches!(thing, Thing::Host | Thing::Namespace { .. }), thing, was }
}

fn device(name: &str) -> Thing {
    Thing::Device { netns: Netns::Host, name: name.to_owned() }
}

fn namespace() -> Thing {
    Thing::Namespace { netns: Netns::Named("web".into()) }
}

fn key(key: &str) -> String {
    key.to_owned()
}

fn all() -> Vec<(Relied, Fact, Option<&'static str>)> {
    use Fact::*;
    let host = Netns::Host;
    let one = |by, thing, fact, was, now| (relied(by, thing, &[(fact, was), (Kind, "bridge")]), fact, now);
    let setting = Thing::Setting { netns: host.clone(), key: key("net/ipv4/ip_forward") };
    let record = Thing::Record { key: key("net/ipv4/ip_forward") };
    let port = Thing::Record { key: key("master:eth1") };
    let way = Thing::Way { netns: host.clone(), to: "192.0.2.1".parse().unwrap(), device: None };
    let source = Thing::Source { netns: host.clone(), address: "192.0.2.10".parse().unwrap() };
    let filter = Thing::PacketFilter { netns: host };
    vec![
        one("namespace.host", Thing::Host, Boot, "a", Some("b")),
        one("namespace.host", Thing::Host, Identity, "3", Some("9")),
        one("link.web:eth0", namespace(), Identity, "3", Some("9")),
        one("link.web:eth0", namespace(), Identity, "3", None),
        one("namespace.web", namespace(), Strangers, "", Some("tun0, wg0")),
        one("namespace.web", namespace(), Strangers, "tun0", Some("")),
        one("link.web:eth0", device("br-ext"), Index, "4", Some("7")),
        one("link.web:eth0", device("br-ext"), Index, "4", None),
        one("link.web:eth0", device("br-ext"), Kind, "bridge", Some("veth")),
        one("link.web:eth0", device("br-ext"), Up, "true", Some("false")),
        one("bridge.br0", device("br0"), Mtu, "1500", Some("1400")),
        one("bridge.br0", device("eth1\u{1b}[2J"), Master, "none", Some("br9")),
        one("link.web:eth0", device("web-eth0"), Alias, "netwright:lab/link.web:eth0", Some("")),
        one("link.web:eth0", device("web-eth0"), Addresses, "10.0.0.1/24", Some("")),
        one("namespace.host", setting, Value, "0", Some("1")),
        one("namespace.host", record.clone(), Before, "0", Some("1")),
        one("namespace.host", record, Users, "lab", Some("lab, other")),
        one("bridge.br0", port, Before, "br7", None),
        one("route.host:10.9.0.0/16", way.clone(), By, "eth0", Some("eth1")),
        one("route.host:10.9.0.0/16", way, By, "eth0", None),
        one("route.host:10.9.0.0/16", source.clone(), By, "eth0", Some("eth1")),
        one("route.host:10.9.0.0/16", source, By, "eth0", None),
        one("firewall.host", filter.clone(), Default, "iptables-nft", Some("iptables-legacy")),
        one("firewall.host", filter.clone(), Beside, "", Some("iptables-legacy")),
        one("firewall.host", filter.clone(), Stops, "false", Some("true")),
        one("firewall.host", filter, Stops, "true", Some("false")),
    ]
}

#[test]
fn whatever_has_happened_is_a_sentence_with_its_resource() {
    let lines = all().into_iter().map(|(relied, fact, now)| {
        let now = now.map(str::to_owned);
        lines(&Difference::Relied { relied, fact, now }).concat() + "\n"
    });
    insta::assert_snapshot!(clean(&lines.collect::<String>()));
}

#[test]
fn a_change_that_is_planned_otherwise_says_in_what() {
    let list = |items: &[&str]| Some(Value::List(items.iter().map(|it| (*it).to_owned()).collect()));
    let link = |action, attributes| change("link.web:eth0", action, attributes);
    let mtu = |before, after| attribute("mtu", before, after);
    let noted = |note: &str| AttributeChange { note: Some(note.into()), ..mtu(number(1500), number(1400)) };
    let update = |attributes| Some(link(Action::Update, attributes));
    let because = |why: &str| Some(Change { reason: Some(why.into()), ..link(Action::Replace, Vec::new()) });
    let noticed = |who: &str| Some(Change { disrupts: vec![who.into()], ..link(Action::Replace, Vec::new()) });
    let pairs = [
        (Some(link(Action::Create, Vec::new())), None),
        (Some(link(Action::Create, Vec::new())), update(Vec::new())),
        (update(Vec::new()), None),
        (Some(link(Action::Delete, Vec::new())), None),
        (Some(link(Action::Delete, Vec::new())), Some(link(Action::Create, Vec::new()))),
        (update(Vec::new()), Some(link(Action::Replace, Vec::new()))),
        (None, Some(link(Action::Create, Vec::new()))),
        (None, Some(link(Action::Delete, Vec::new()))),
        (
            None,
            update(vec![
                mtu(number(1400), number(1500)),
                attribute("up", Some(Value::Bool(false)), Some(Value::Bool(true))),
            ]),
        ),
        (update(vec![mtu(number(1500), number(9000))]), update(vec![mtu(number(1400), number(9000))])),
        (update(vec![mtu(number(1500), number(9000))]), update(vec![mtu(number(1500), number(1300))])),
        (update(vec![mtu(number(1500), number(9000))]), update(vec![attribute("mac", text("02::1"), text("02::2"))])),
        (update(vec![noted("borrowed")]), update(vec![noted("shared with two")])),
        (
            update(vec![attribute("addresses", list(&["a", "b", "c", "d", "e"]), list(&[]))]),
            update(vec![attribute("addresses", list(&["a", "x"]), list(&[]))]),
        ),
        (
            update(vec![attribute("addresses", list(&["a"]), None)]),
            update(vec![attribute("addresses", list(&["a", "x"]), None)]),
        ),
        (because("namespace.web is replaced"), because("asked for by -replace")),
        (noticed("the port of br0 loses its segment"), noticed("2 ports of br0 lose their segment")),
    ];
    let lines = pairs.into_iter().map(|(then, now)| lines(&Difference::Change { then, now }).join("\n") + "\n");
    insta::assert_snapshot!(lines.collect::<String>());
}

#[test]
fn a_refusal_names_some_and_counts_the_rest() {
    let of = |at: usize| {
        let thing = device(&format!("eth{at}"));
        let relied = relied(&format!("bridge.br{at}"), thing, &[(Fact::Index, "4")]);
        Difference::Relied { relied, fact: Fact::Index, now: Some("7".into()) }
    };
    insta::assert_snapshot!(plain(&refusal(&(0..20).map(of).collect::<Vec<_>>())));
    let finding = Finding {
        severity: Severity::Error,
        code: "conflict::no_bridge".into(),
        message: "the external bridge `br-ext` is not there".into(),
        help: None,
    };
    insta::assert_snapshot!(plain(&refusal(&[Difference::Found(finding)])));
}

#[test]
fn what_is_somebody_elses_is_told_and_the_rest_is_not() {
    let all: Vec<Relied> = all().into_iter().map(|(relied, ..)| relied).collect();
    insta::assert_snapshot!(relied_on(&all));
    assert_eq!(relied_on(&all[..2]), "");
}
