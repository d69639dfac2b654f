//! What lies below /run/netwright in place of ours: never followed, never believed, always named.

use crate::{
    LAB, NETWRIGHT,
    dump::Dump,
    run::{apply, expect, file},
    sandbox, sh,
};

/// Nothing is done, by no verb, and it is said why; what the attacker points at stays as it was.
#[track_caller]
fn refused(path: &str, verbs: &[&str], words: &[&str]) {
    for verb in verbs {
        match *verb {
            "apply" => expect(&["apply", path, "-auto-approve"], 1, words),
            "destroy" => expect(&["destroy", "lab", "-auto-approve"], 1, words),
            "list" => expect(&["list"], 1, words),
            verb => expect(&[verb, path], 1, words),
        };
    }
    assert_eq!(sh("cat /run/victim; ls -A /run/victims; ls /run/netns 2> /dev/null || true"), "theirs\n");
}

const VICTIM: &str = "echo theirs > /run/victim; mkdir -p /run/victims";
const ALL: [&str; 5] = ["plan", "apply", "destroy", "list", "test"];

#[test]
fn a_folder_that_others_made_is_refused_with_what_to_do() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        for (made, words) in [
            ("ln -s /run/victims /run/netwright", "/run/netwright is a symbolic link to `/run/victims`"),
            ("ln -s /run/none /run/netwright", "/run/netwright is a symbolic link to `/run/none`"),
            ("echo > /run/netwright", "/run/netwright is no folder"),
            ("mkfifo /run/netwright", "/run/netwright is no folder"),
            ("mkdir -m 777 /run/netwright", "(its mode is 0777)"),
            ("mkdir -m 1777 /run/netwright", "(its mode is 1777)"),
        ] {
            sh(&format!("{VICTIM}; {made}"));
            refused(&path, &ALL, &[words, "rm"]);
            sh("rm -r /run/netwright");
        }
        for (made, words) in [
            ("mkdir -p /run/netwright; ln -s /run/victims /run/netwright/lab", "/run/netwright/lab is a symbolic link"),
            ("mkdir -p -m 755 /run/netwright; mkdir -m 777 /run/netwright/lab", "/run/netwright/lab may be changed by"),
        ] {
            sh(&format!("{VICTIM}; {made}"));
            refused(&path, &["apply", "destroy"], &[words]);
            sh("rm -r /run/netwright");
        }
        clean.assert_restored("attacks");
        apply(&path);
    });
}

#[test]
fn a_folder_of_another_user_is_refused() {
    // Root has other users at hand, and everybody else folders of root's.
    let script = format!(
        "mkdir /run/netwright; chown 65534 /run/netwright 2> /dev/null || mount --rbind /usr /run/netwright
         for verb in plan 'apply -auto-approve' 'destroy -auto-approve' list; do
             case $verb in list) {NETWRIGHT} list && exit 1;; *) {NETWRIGHT} $verb /run/lab.yaml && exit 1;; esac
         done; true"
    );
    let script = format!("cat > /run/lab.yaml <<'end'\n{LAB}\nend\n{script}");
    let output = std::process::Command::new(NETWRIGHT).args(["sandbox", "--", "sh", "-c", &script]).output();
    let output = output.expect("a sandbox");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let told = said.matches("/run/netwright belongs to ").count();
    assert_eq!(told, 4, "{said}");
}

#[test]
fn a_file_of_ours_that_is_a_link_is_never_written_through() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        for (name, words) in [("lab/lock", "cannot lock `lab`: "), (".lock", "cannot lock the network of this host: ")]
        {
            for (made, why) in [
                ("ln -s /run/victim", "is a symbolic link to `/run/victim`"),
                ("ln -s /run/none", "is a symbolic link to `/run/none`"),
                ("ln /run/victim", "has a second name somewhere else"),
                ("mkfifo", "is no plain file"),
                ("mkdir", "is no plain file"),
            ] {
                sh(&format!("{VICTIM}; mkdir -p /run/netwright/lab; {made} /run/netwright/{name}"));
                refused(&path, &["apply", "destroy"], &[&format!("{words}/run/netwright/{name} {why}"), "rm"]);
                sh("test ! -e /run/none; rm -r /run/netwright");
            }
        }
        clean.assert_restored("attacks");
    });
}

#[test]
fn a_draft_and_a_memo_that_are_links_are_put_aside() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let clean = Dump::settled();
        for made in ["ln -s /run/victim", "ln /run/victim", "ln -s /run/none", "mkfifo"] {
            sh(&format!(
                "{VICTIM}; mkdir -p /run/netwright/lab /run/netwright/.host
                 for name in lab/.draft lab/memo.json .host/.draft; do {made} /run/netwright/$name; done"
            ));
            apply(&path);
            sh("test ! -e /run/none; test -f /run/netwright/lab/memo.json; test ! -L /run/netwright/lab/memo.json");
            expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
            assert_eq!(sh("cat /run/victim; ls -A /run/netwright/.host"), "theirs\n.lock\n");
        }
        clean.assert_restored("attacks");
    });
}

#[test]
fn a_record_of_the_host_that_is_a_link_is_an_error_that_names_it() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh(&format!("{VICTIM}; mkdir -p /run/netwright/.host"));
        for (made, why) in [
            ("ln -s /run/victim", "is a symbolic link to `/run/victim`"),
            ("ln /run/victim", "has a second name"),
            ("mkfifo", "is no plain file"),
            ("cp /run/victim", "it is no record of ours"),
        ] {
            sh(&format!("{made} /run/netwright/.host/net%2fipv4%2fip_forward.json"));
            refused(&path, &["plan", "apply", "destroy", "list"], &["net%2fipv4%2fip_forward.json", why, "remove"]);
            sh("rm /run/netwright/.host/*.json");
        }
        sh("mkfifo /run/netwright/.host/.lock");
        let said = expect(&["apply", &path, "-auto-approve"], 1, &["/run/netwright/.host/.lock is no plain file"]);
        assert!(said.contains("what is borrowed of the host"), "{said}");
    });
}
