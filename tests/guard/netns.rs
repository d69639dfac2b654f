//! What lies below /run/netns and is no namespace of ours.

use crate::{
    LAB,
    dump::Dump,
    run::{apply, expect, file},
    sandbox, sh,
};

#[test]
fn a_file_in_a_namespaces_place_is_named_and_stays() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh("echo theirs > /run/victim; mkdir /run/victims; ip netns add other; ip netns delete other");
        for (made, kind) in [
            ("touch", "regular empty file"),
            ("mkfifo", "fifo"),
            ("mkdir", "directory"),
            ("ln -s /run/victim", "symbolic link"),
            ("ln -s /run/none", "symbolic link"),
            ("ln -s web", "symbolic link"),
            ("ln -s /run/victims", "symbolic link"),
            ("ln -s /proc/self/ns/pid", "symbolic link"),
        ] {
            sh(&format!("{made} /run/netns/web"));
            expect(&["plan", &path], 1, &["the namespace name `web` is taken"]);
            expect(&["apply", &path, "-auto-approve"], 1, &["the namespace name `web` is taken"]);
            expect(&["destroy", "lab", "-auto-approve"], 0, &[]);
            expect(
                &["test", &path],
                1,
                &["/run/netns/web is no namespace"]
                    .map(|words| if made.contains("none") || made.ends_with(" web") { "namespace" } else { words }),
            );
            assert_eq!(sh("stat -c %F /run/netns/web; test ! -e /run/none"), format!("{kind}\n"), "{made}");
            sh("rm -r /run/netns/web");
        }
        // Beside ours, whatever they are called.
        sh(
            "cd /run/netns; touch -- ... '..a' -x ' ' 'a b' '$(reboot)' \"$(printf 'a\\nb')\"; mkfifo fifo; mkdir dir; ln -s / root",
        );
        apply(&path);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        assert_eq!(sh("ls -A /run/netns | wc -l; cat /run/victim"), "11\ntheirs\n");
    });
}

#[test]
fn a_mount_to_which_a_name_is_only_a_link_stays() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        apply(&path);
        sh("mkdir /run/else; touch /run/else/web; mount --bind /run/netns/web /run/else/web
            umount /run/netns/web; rm /run/netns/web; ln -s /run/else/web /run/netns/web");
        expect(&["plan", &path], 0, &["No changes."]);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        assert_eq!(sh("ls -A /run/netns; grep -c ' /run/else/web ' /proc/mounts"), "1\n");
    });
}

#[test]
fn a_name_that_leads_into_the_hosts_own_namespace_is_never_deleted_with_it() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh("ip netns add other; ip netns delete other; ln -s /proc/self/ns/net /run/netns/own");
        let clean = Dump::settled();
        apply(&path);
        expect(&["list"], 0, &["in sync"]);
        expect(&["destroy", "lab", "-auto-approve"], 0, &["Destroy complete!"]);
        clean.assert_restored("destroy");
        assert_eq!(sh("ls /run/netns"), "own\n");
    });
}
