//! The command line as a person meets it: what is typed and what is printed, word for word, errors included.
//! `TRYCMD=overwrite cargo test --test cli` writes the transcripts anew; read the difference before you take it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use trycmd::TestCases;

const NETWRIGHT: &str = env!("CARGO_BIN_EXE_netwright");
/// Somebody without rights.
const NOBODY: &str = "65534";

fn transcripts(pattern: &str) {
    // Transcripts call the program by its name, in a sandbox's scripts too.
    let folder = Path::new(NETWRIGHT).parent().unwrap().display();
    let path = format!("{folder}:{}", env::var("PATH").unwrap_or_default());
    let cases = TestCases::new();
    cases.env("PATH", path).env("LC_ALL", "C").env("COLUMNS", "100").default_bin_path(NETWRIGHT);
    cases.insert_var("[VERSION]", env!("CARGO_PKG_VERSION")).unwrap();
    cases.insert_var("[PLATFORM]", format!("{}_{}", env::consts::OS, env::consts::ARCH)).unwrap();
    cases.case(pattern);
    cases.run();
}

#[test]
fn what_needs_no_privilege() {
    transcripts("tests/cli/*.trycmd");
}

#[test]
fn what_is_done_in_a_sandbox() {
    transcripts("tests/cli/sandboxed/*.trycmd");
}

#[test]
fn every_bad_file_is_in_a_transcript() {
    let transcript = fs::read_to_string("tests/cli/bad.trycmd").unwrap();
    let mut files = 0;
    for entry in fs::read_dir("tests/cli/bad").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(transcript.contains(&format!("$ netwright validate tests/cli/bad/{name}")), "{name}");
        files += 1;
    }
    assert!(files > 15, "{files}");
    assert_eq!(transcript.matches("\n? 1\n").count(), files, "each is refused");
}

/// Runs the program as an ordinary user, from where that user may read it.
fn as_nobody(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("netwright");
    fs::copy(NETWRIGHT, &program).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let lab = folder.path().join("lab.yaml");
    fs::write(&lab, "name: lab\nnamespaces: { web: {} }\n").unwrap();
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
        // Where other users do not exist, in a sandbox, giving up the rights is what is left.
        if !fs::read_to_string("/proc/self/uid_map").unwrap().contains("4294967295") {
            command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]);
        }
        command.arg(&program);
        command
    } else {
        Command::new(&program)
    };
    command.current_dir(folder.path()).args(arguments).output().unwrap()
}

#[test]
fn without_privilege_the_kernels_verbs_say_what_is_missing() {
    for arguments in [
        &["plan", "lab.yaml"][..],
        &["apply", "lab.yaml", "-auto-approve"],
        &["destroy", "lab", "-auto-approve"],
        &["test", "lab.yaml"],
        &["list"],
        &["show"],
    ] {
        let output = as_nobody(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            said,
            "Error: cannot manage network namespaces: this process lacks CAP_NET_ADMIN and CAP_SYS_ADMIN; run it with \
             sudo, or try things out without root in `netwright sandbox`\n",
            "{arguments:?}"
        );
    }
    assert!(as_nobody(&["validate", "lab.yaml"]).status.success());
}
