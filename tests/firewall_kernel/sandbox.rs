//! A test in namespaces of its own: the test binary runs itself again through `unshare`.

use std::{env, fs::File, net::SocketAddr, process::Command, thread};

use nix::sched::{CloneFlags, setns};

const INSIDE: &str = "NETWRIGHT_TEST_SANDBOX";

/// Runs `body` in new user, mount and network namespaces, with a private `/run`. `name` is the test's own full name.
pub fn sandbox(name: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some_and(|inside| inside == name) {
        sh("mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up");
        body();
        return;
    }
    let output = Command::new("unshare")
        // The user namespace first: who is root in it when the network namespace is made may read its files.
        .args(["-Ur", "--", "unshare", "-nm", "--"])
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, name)
        .output()
        .expect("unshare runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    // A name that matches no test would pass without having run anything.
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs shell commands here and gives their output; a failure fails the test.
pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `work` on a thread inside a named namespace; an empty name is the sandbox's own.
pub fn inside<T: Send + 'static>(netns: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let netns = netns.to_owned();
    thread::spawn(move || {
        if !netns.is_empty() {
            setns(File::open(format!("/run/netns/{netns}")).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        }
        work()
    })
    .join()
    .unwrap()
}

/// An address as a socket takes it.
pub fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
