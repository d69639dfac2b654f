//! Two topologies on one host: what one has is the other's stranger.

use crate::{
    company::{EVERYTHING, comes_and_goes, everything, holds, is_refused, nothing_is_lost},
    dump::Dump,
    run::{apply, expect, file},
    sandbox,
};

/// The same lab with another name and a prefix, on other subnets and ports.
fn other() -> String {
    let text = EVERYTHING.replace("name: lab", "name: lab-two\nprefix: two-").replace(", ports: [nic0]", "");
    let elsewhere = [
        ("10.1.0.", "10.21.0."),
        ("fd00:1:", "fd00:2:"),
        ("10.3.0.", "10.23.0."),
        ("10.9.", "10.29."),
        ("8088", "8188"),
    ];
    elsewhere.into_iter().fold(text, |text, (here, there)| text.replace(here, there))
}

#[test]
fn one_comes_and_goes_beside_the_other() {
    sandbox::run(|| {
        let path = everything();
        let two = file("two", &other());
        let clean = Dump::settled();
        apply(&two);
        comes_and_goes(&path, || holds(&two));
        // The one that came first goes first, and comes again.
        apply(&path);
        expect(&["destroy", "lab-two", "-auto-approve"], 0, &["Destroy complete!"]);
        holds(&path);
        let alone = Dump::take();
        apply(&two);
        nothing_is_lost(&alone);
        for name in ["lab-two", "lab"] {
            expect(&["destroy", name, "-auto-approve"], 0, &["Destroy complete!"]);
        }
        clean.assert_restored("both");
    });
}

#[test]
fn what_one_has_is_refused_to_the_other() {
    sandbox::run(|| {
        let path = everything();
        let text = EVERYTHING.replace("name: lab", "name: lab-two");
        apply(&path);
        let up = Dump::settled();
        let words = [
            "the namespace `web` is there already; the topology `lab` holds it (namespace.web)",
            "the interface name `br0` in `host` is taken; the topology `lab` holds it (bridge.br0)",
            "the interface name `web-eth0` in `host` is taken; the topology `lab` holds it (link.web:eth0)",
            "the interface name `db0` in `host` is taken; the topology `lab` holds it (link.db:eth1)",
            "the host has a route to 10.9.0.0/16 by `br0` already; the topology `lab` holds it",
            "the port of port_forward.host:tcp:8088 is published by the topology lab already",
            "the port `nic0` of the bridge `br0` is the topology `lab`'s",
        ];
        is_refused(&file("two", &text), &words);
        // Where no name meets another, the subnets do.
        let prefixed = file("two", &text.replace("name: lab-two", "name: lab-two\nprefix: two-"));
        let words = ["10.1.0.1/24 on `two-br0` overlaps 10.1.0.0/24, which the host reaches by `br0`"];
        is_refused(&prefixed, &words);
        expect(&["destroy", "lab-two", "-auto-approve"], 0, &["No changes."]);
        assert_eq!(up.diff(&Dump::take()), "");
        holds(&path);
    });
}
