//! What is told of things that strangers have named.

use crate::{
    LAB,
    dump::Dump,
    run::{apply, expect, file},
    sandbox, sh,
};

#[test]
fn a_mark_that_a_stranger_wrote_leads_nowhere() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh("echo keep > /run/link.x
            at=0
            for mark in netwright:../../etc/link.x netwright:../link.x netwright:/link.x netwright:lab/../../run/link.x \
                        netwright: netwright:lab netwright:lab/ netwright:lab/thing.x 'netwright:lab;reboot/link.x'; do
                at=$((at + 1)); ip link add evil$at type bridge; ip link set evil$at alias \"$mark\"
            done");
        let with_evil = Dump::settled();
        expect(&["list"], 0, &["No topologies."]);
        apply(&path);
        expect(&["show", "lab"], 0, &[]);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        expect(&["destroy", "-all", "-auto-approve"], 0, &["No topology owns anything"]);
        with_evil.assert_restored("destroy");
        assert_eq!(sh("cat /run/link.x; ls /run/netwright"), "keep\n");
    });
}

#[test]
fn no_name_writes_to_the_terminal() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        // In a mark, in the name of a namespace, of a saved plan, of a file of ours, in a record.
        sh("esc=$(printf '\\033[2Jx'); ip link add evil type bridge; ip link set evil alias \"netwright:lab/bridge.$esc\"
            mkdir -p /run/netns /run/netwright/.host; touch \"/run/netns/$esc\" \"/run/$esc.yaml\"
            printf '{\"before\":\"0\",\"users\":[\"lab\"]}' > \"/run/netwright/.host/net%2fipv4%2f%1b[2Jx.json\"");
        for arguments in [
            vec!["list"],
            vec!["show", "lab"],
            vec!["plan", &path],
            vec!["validate", "/run/\u{1b}[2Jx.yaml"],
            vec!["apply", "/run/\u{1b}[2Jy.yaml"],
            vec!["show", "\u{1b}[2Jx"],
            vec!["destroy", "lab", "-auto-approve"],
            vec!["apply", &path, "-auto-approve"],
            vec!["test", "\u{1b}[2Jx"],
        ] {
            let ran = crate::run::netwright(&arguments);
            assert!(!ran.text.contains('\u{1b}'), "{arguments:?}: {:?}", ran.text);
        }
    });
}
