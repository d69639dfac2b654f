//! What a run may do: named beforehand where it lacks, and not more than the caller may where it has.

use std::process::Command;

use crate::{
    LAB, NETWRIGHT,
    run::{Ran, apply, expect, file},
    sandbox, sh,
};

/// Runs the binary without some capabilities.
fn without(capabilities: &str, arguments: &[&str]) -> Ran {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", capabilities, "--inh-caps", capabilities, NETWRIGHT]).args(arguments);
    let output = command.env("NO_COLOR", "1").output().expect("setpriv of util-linux");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ran { code: output.status.code(), text }
}

#[test]
fn each_verb_names_what_it_lacks_before_it_does_anything() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        let verbs: [&[&str]; 7] = [
            &["plan", &path],
            &["apply", &path, "-auto-approve"],
            &["destroy", "lab", "-auto-approve"],
            &["destroy", "-all", "-auto-approve"],
            &["list"],
            &["show", "lab"],
            &["test", &path],
        ];
        for (dropped, missing) in [
            ("-sys_admin", "lacks CAP_SYS_ADMIN;"),
            ("-net_admin", "lacks CAP_NET_ADMIN;"),
            ("-all", "lacks CAP_NET_ADMIN and CAP_SYS_ADMIN;"),
        ] {
            for verb in verbs {
                let ran = without(dropped, verb);
                assert_eq!(ran.code, Some(1), "{dropped} {verb:?}: {}", ran.text);
                assert!(ran.text.contains(missing) && ran.text.contains("run it with sudo"), "{verb:?}: {}", ran.text);
            }
        }
        sh("test ! -e /run/netwright; test ! -e /run/netns");
        apply(&path);
        let ran = without("-net_raw", &["test", &path]);
        assert!(
            ran.code == Some(1)
                && ran.text.contains("cannot send the pings of the checks: this process lacks CAP_NET_RAW"),
            "{}",
            ran.text
        );
        let ran = without("-net_raw,-dac_override", &["plan", &path, "-detailed-exitcode"]);
        assert_eq!(ran.code, Some(0), "{}", ran.text);
    });
}

#[test]
fn what_needs_no_rights_works_without_any() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        expect(&["plan", &path, "-out", "/run/plan"], 0, &[]);
        let verbs: [&[&str]; 7] = [
            &["validate", &path],
            &["fmt", "-check", &path],
            &["convert", &path, "-to", "toml"],
            &["schema"],
            &["version"],
            &["show", "/run/plan"],
            &["help"],
        ];
        for verb in verbs {
            let ran = without("-all", verb);
            assert!(
                !ran.text.contains("CAP_") && matches!(ran.code, Some(0 | 2)) || verb[0] == "fmt",
                "{verb:?}: {}",
                ran.text
            );
        }
    });
}

#[test]
fn a_run_that_may_gain_no_rights_by_exec_works() {
    sandbox::run(|| {
        let path = file("lab", LAB);
        sh(&format!(
            "setpriv --no-new-privs $N apply {path} -auto-approve; $N plan {path} -detailed-exitcode
                     setpriv --no-new-privs $N destroy lab -auto-approve"
        ));
    });
}

/// What a user needs beside root to be there: inside, where root of the machine runs the tests.
fn among_others(script: &str) -> Option<String> {
    let map = std::fs::read_to_string("/proc/self/uid_map").expect("a map");
    if !nix::unistd::geteuid().is_root() || !map.contains("4294967295") {
        return None;
    }
    let script = format!(
        "set -e; export NO_COLOR=1; cp {NETWRIGHT} /run/netwright-copy; N=/run/netwright-copy
        cat > /run/lab.yaml <<'end'\n{LAB}\nend\n{script}"
    );
    // Its tmpfs, unlike the sandbox's own /run, heeds set-user-ID bits.
    let script = format!("mount -t tmpfs tmpfs /run -o mode=755; {script}");
    let output = Command::new(NETWRIGHT).args(["sandbox", "--", "sh", "-c", &script]).output().expect("a sandbox");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    Some(text)
}

const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set";

#[test]
fn the_set_user_id_bit_gives_nobody_anything() {
    let Some(text) = among_others(&format!(
        "chmod 4755 $N; echo secret > /run/secret.yaml; chmod 600 /run/secret.yaml
         for words in 'validate /run/secret.yaml' 'list' 'plan /run/lab.yaml -out /run/pwned' 'version'; do
             {NOBODY} +all $N $words && exit 1; true
         done
         {NOBODY} +all bash -c 'exec -a \"netwright: sandbox command\" $0 ours id' $N && exit 1
         chmod 2755 $N; {NOBODY} +all $N version && exit 1
         test ! -e /run/pwned"
    )) else {
        return;
    };
    assert_eq!(text.matches("netwright does not run under two users").count(), 6, "{text}");
    assert!(!text.contains("secret") || !text.contains("uid="), "{text}");
}

#[test]
fn with_file_capabilities_our_variables_and_names_count_for_nothing() {
    let Some(text) = among_others(&format!(
        "mkdir -m 755 /run/netwright /run/netns; chown 65534 /run/netwright /run/netns
         setcap cap_net_admin,cap_sys_admin,cap_dac_read_search+ep $N
         printf 'name: v\\nvars: {{n: 1}}\\nnamespaces: {{\"v$n\": {{}}}}\\n' > /run/v.yaml
         {NOBODY} +all env NETWRIGHT_LOG=nonsense NETWRIGHT_LOCK_TIMEOUT=nonsense NETWRIGHT_VAR_n=2 $N apply /run/v.yaml -auto-approve
         ls /run/netns
         {NOBODY} +all bash -c 'exec -a \"netwright: sandbox command\" $0 ours id' $N && exit 1
         $N version > /dev/null; NETWRIGHT_LOG=nonsense $N version && exit 1; true"
    )) else {
        return;
    };
    assert!(text.contains("Apply complete!") && text.contains("\nv1\n"), "{text}");
    assert!(!text.contains("uid="), "{text}");
    assert!(text.contains("NETWRIGHT_LOG is `nonsense`"), "{text}");
}

#[test]
fn a_user_with_rights_who_owns_no_folder_is_told_which_one_is_missing() {
    let caps = "+net_admin,+sys_admin";
    let user = format!(
        "setpriv --reuid 65534 --clear-groups --inh-caps=-all,{caps} --ambient-caps=-all,{caps} --bounding-set=-all,{caps}"
    );
    let Some(text) = among_others(&format!(
        "{user} $N apply /run/lab.yaml -auto-approve && exit 1
         mkdir -m 755 /run/netwright /run/netns; chown 65534 /run/netwright /run/netns
         {user} $N apply /run/lab.yaml -auto-approve; {user} $N plan /run/lab.yaml -detailed-exitcode
         {user} $N destroy lab -auto-approve
         $N list && exit 1; true"
    )) else {
        return;
    };
    assert!(text.contains("/run/netwright: permission denied (EACCES); this process lacks CAP_DAC_OVERRIDE"), "{text}");
    assert!(
        text.contains("Apply complete!") && text.contains("No changes.") && text.contains("Destroy complete!"),
        "{text}"
    );
    assert!(text.contains("/run/netwright belongs to user 65534"), "{text}");
}
