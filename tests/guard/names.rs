//! Names and texts out of topologies, saved plans, memos and records: no shell sees them, and no path is made of them
//! that leads elsewhere.

use std::fs;

use serde_json::{Value, json};

use crate::{
    LAB,
    dump::Dump,
    run::{apply, expect, file, netwright},
    sandbox, sh,
};

/// What somebody writes who hopes for a shell, a path or a tool's flag.
const HOSTILE: [&str; 12] = [
    "..",
    ".",
    "../../run/pwned",
    "/run/pwned",
    "a/b",
    "$(touch /run/pwned)",
    "`touch /run/pwned`",
    "; touch /run/pwned",
    "| touch /run/pwned",
    "a\nb",
    "a\0b",
    "a\u{1b}[2Jb",
];

#[test]
fn a_hostile_name_is_an_error_wherever_it_stands() {
    sandbox::run(|| {
        let clean = Dump::settled();
        for name in HOSTILE {
            let quoted = json!(name).to_string();
            for text in [
                format!("name: {quoted}\nnamespaces: {{web: {{}}}}\n"),
                format!("name: lab\nnamespaces: {{{quoted}: {{}}}}\n"),
                format!("name: lab\nbridges: {{{quoted}: {{}}}}\n"),
                format!(
                    "name: lab\nnamespaces: {{a: {{}}, b: {{}}}}\nlinks: [{{endpoints: [{{namespace: a, name: {quoted}}}, 'b:x']}}]\n"
                ),
                format!("name: lab\nnamespaces: {{a: {{sysctls: {{{quoted}: 1}}}}}}\n"),
                format!("name: lab\nbridges: {{br0: {{ports: [{quoted}]}}}}\n"),
                format!(
                    "name: lab\nnamespaces: {{web: {{}}}}\nnat: [{{masquerade: 10.0.0.0/8, namespace: web, out: {quoted}}}]\n"
                ),
            ] {
                let path = file("hostile", &text);
                expect(&["apply", &path, "-auto-approve"], 1, &[]);
            }
            if !name.contains('\0') {
                let path = file("lab", LAB);
                expect(&["apply", &path, "-auto-approve", "-name", name], 1, &[]);
                expect(&["destroy", "--", name], 1, &[]);
            }
        }
        for prefix in ["../", "/", "..", "a/../"] {
            let path = file("hostile", &format!("name: lab\nprefix: '{prefix}'\nnamespaces: {{web: {{}}}}\n"));
            expect(&["apply", &path, "-auto-approve"], 1, &[]);
        }
        clean.assert_restored("refusals");
        sh("test ! -e /run/pwned; test ! -e /run/netns; test ! -e /run/netwright");
    });
}

#[test]
fn a_text_that_may_hold_anything_is_given_to_no_shell() {
    sandbox::run(|| {
        let text = format!("{LAB}description: \"$(touch /run/pwned); `touch /run/pwned` | touch /run/pwned\"\n");
        let path = "/run/$(touch pwned); touch pwned &.yaml";
        fs::write(path, text).expect("a tmpfs");
        apply(path);
        expect(&["list"], 0, &["$(touch pwned); touch pwned &.yaml"]);
        expect(&["test", path], 0, &[]);
        expect(&["plan", path, "-destroy", "-out", "/run/$(touch pwned)"], 0, &[]);
        expect(&["apply", "/run/$(touch pwned)"], 0, &["Destroy complete!"]);
        sh("test ! -e /run/pwned; test ! -e /pwned; test ! -e pwned");
    });
}

/// Changes the JSON in a file.
fn tamper(path: &str, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_slice(&fs::read(path).expect(path)).expect(path);
    change(&mut document);
    fs::write(path, document.to_string()).expect(path);
}

#[test]
fn a_saved_plan_that_was_tampered_with_runs_nothing_that_was_put_into_it() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        expect(&["plan", &path, "-out", "/run/good"], 0, &[]);
        let refused = |change: &dyn Fn(&mut Value), words: &[&str]| {
            fs::copy("/run/good", "/run/plan").expect("a plan");
            tamper("/run/plan", change);
            expect(&["apply", "/run/plan"], 1, words);
            netwright(&["show", "/run/plan"]);
        };
        for name in HOSTILE {
            refused(&|plan| plan["topology"] = json!(name), &["/run/plan is not a saved plan, or a damaged one"]);
            refused(&|plan| plan["source"]["format"] = json!(name), &["is not as it was saved"]);
            refused(
                &|plan| plan["source"]["text"] = json!(format!("name: lab\nnamespaces: {{{}: {{}}}}", json!(name))),
                &["is not as it was saved"],
            );
        }
        // What is shown is not what the topology comes to.
        refused(&|plan| plan["changes"] = json!([]), &["is not as it was saved"]);
        let rename = |plan: &mut Value| {
            let text = plan["changes"].to_string().replace("namespace.web", "namespace.../../run/pwned");
            plan["changes"] = serde_json::from_str(&text).expect("JSON");
        };
        refused(&rename, &["is not as it was saved"]);
        refused(
            &|plan| plan["source"]["text"] = json!("include: [/run/secret.yaml]\nname: lab\n"),
            &["is not as it was saved"],
        );
        clean.assert_restored("refusals");
        sh("test ! -e /run/pwned; test ! -e /run/netns");
        refused(&|plan| plan["source"]["path"] = json!("/run/../run/$(touch /run/pwned)"), &["is not as it was saved"]);
        expect(&["apply", "/run/good"], 0, &["Apply complete!"]);
        sh("test ! -e /run/pwned");
    });
}

#[test]
fn a_memo_that_was_tampered_with_reaches_nothing_but_the_topology() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh(
            "ip netns add other; ip netns exec other sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'; echo theirs > /run/victim",
        );
        let clean = Dump::settled();
        let memo = "/run/netwright/lab/memo.json";
        for change in [
            json!({"sysctls": {"other": ["net/ipv4/ip_forward"], "../../run": ["net/ipv4/ip_forward"], "web": ["net/../../../run/victim", "kernel/hostname", "/run/victim"], "host": ["net/ipv4/ip_forward", "kernel/hostname"]}}),
            json!({"addresses": ["route.host:10.9.0.0/16", "namespace.other", "namespace.../../run/victim", "route.web:$(touch /run/victim)"]}),
            json!({"ports": {"host": ["lo", "../x"], "other": ["lo"], "..": ["x"]}}),
            json!({"source": {"path": "/run/victim", "format": "yaml", "text": "name: lab\ninclude: [/run/victim]\n"}}),
            json!({"source": {"path": "/run/victim", "format": "yaml", "text": "name: other\nnamespaces: {'../../run/victim': {}}\n"}}),
            json!({"sysctls": 1}),
        ] {
            apply(&path);
            tamper(memo, |memo| {
                for (key, value) in change.as_object().expect("a map") {
                    memo[key] = value.clone();
                }
            });
            for arguments in
                [vec!["list"], vec!["show", "lab"], vec!["plan", &path], vec!["plan", &path, "-refresh-only"]]
            {
                let ran = netwright(&arguments);
                assert_eq!(ran.code, Some(0), "{change} {arguments:?}: {}", ran.text);
            }
            expect(&["apply", &path, "-auto-approve"], 0, &["Apply complete!"]);
            tamper(memo, |memo| {
                for (key, value) in change.as_object().expect("a map") {
                    memo[key] = value.clone();
                }
            });
            expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
            clean.assert_restored(&format!("a destroy by {change}"));
            assert_eq!(sh("cat /run/victim"), "theirs\n");
        }
        fs::create_dir_all("/run/netwright/lab").expect("a tmpfs");
        for garbage in ["", "{", "null", "[]", "\0\0"] {
            fs::write(memo, garbage).expect("a tmpfs");
            expect(&["list"], 0, &["unknown"]);
            expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
            fs::create_dir_all("/run/netwright/lab").expect("a tmpfs");
        }
    });
}

#[test]
fn a_record_that_was_tampered_with_changes_nothing_outside_of_net() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let record = |key: &str, text: &str| {
            sh("mkdir -p /run/netwright/.host");
            fs::write(format!("/run/netwright/.host/{key}.json"), text).expect("a tmpfs");
        };
        let hostname = sh("cat /proc/sys/kernel/hostname");
        for (key, along) in [
            ("kernel%2fhostname", json!({})),
            ("net%2fipv4%2fip_forward", json!({"kernel/hostname": "pwned"})),
            ("net%2f..%2fkernel%2fhostname", json!({})),
            ("net%2fipv4%2fip_forward", json!({"../../run/victim": "pwned", "net/../kernel/hostname": "pwned"})),
            ("master:..%2f..%2fx", json!({})),
            ("table:..%2fx", json!({})),
        ] {
            sh("echo theirs > /run/victim");
            record(key, &json!({"before": "pwned", "along": along, "users": ["lab"]}).to_string());
            // They may be refused, with an error that names the key; they must not be done.
            for arguments in [vec!["list"], vec!["plan", &path], vec!["destroy", "lab", "-auto-approve"]] {
                let ran = netwright(&arguments);
                assert!(
                    ran.code == Some(0) || ran.text.contains("/run/netwright/.host"),
                    "{key} {along}: {}",
                    ran.text
                );
            }
            assert_eq!(sh("cat /proc/sys/kernel/hostname"), hostname);
            assert_eq!(sh("cat /run/victim; rm -r /run/netwright"), "theirs\n");
        }
    });
}
