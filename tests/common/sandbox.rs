//! Every test that touches the kernel runs in user, mount and network namespaces of its own, with /run empty: as root
//! or not, all at once, and never on the machine itself. Included with `#[path]`, since not every test needs all.

use std::{env, process::Command};

/// Set inside.
pub const INSIDE: &str = "NETWRIGHT_TEST_SANDBOX";

/// Runs `test` inside a sandbox: the test's own binary is started again in one, for this test alone.
pub fn run<F: FnOnce()>(test: F) {
    if env::var_os(INSIDE).is_some() {
        return test();
    }
    // The closure's type is called after the function that it stands in: `kernel_links::name::{{closure}}`.
    let name = std::any::type_name::<F>();
    let name = name.strip_suffix("::{{closure}}").expect("sandbox::run takes a closure");
    let (_, name) = name.split_once("::").expect("a test has a path");
    let output = Command::new("unshare")
        // The user namespace first: who is root in it when the network namespace is made may read its files.
        .args(["--user", "--map-root-user", "--", "unshare", "--net", "--mount", "--"])
        .args(["sh", "-c", r#"mount -t tmpfs tmpfs /run && exec "$@""#, "sh"])
        .arg(env::current_exe().expect("the test's binary"))
        .args(["--exact", name, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare of util-linux");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "in the sandbox:\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "the sandbox ran no test called {name}:\n{stdout}\n{stderr}");
    print!("{stdout}");
}
