//! Other programs that make such networks, where they are installed: the same star, as they want it told.
//! What they make is like the others' in its namespaces, addresses and routes, but not line by line.

use std::{
    env,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use super::{
    labs::{address_in_star, bridges_of},
    works::{Runner, Tools, Words, bare},
};

/// Where the plugins of container engines are.
const PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
/// The Python that Debian's packages are for.
const PYTHON: &str = "/usr/bin/python3";
/// Where mininet comes with Debian.
const MININET: &str = "/usr/lib/python3/dist-packages/mininet";

/// Those that are there, for a star of so many, which must have one bridge.
pub fn of_star(tools: &Tools, count: usize) -> io::Result<Vec<Runner>> {
    let mut runners = Vec::new();
    if let Some(nlink_lab) = NlinkLab::find(tools, count)? {
        let after = vec![nlink_lab.destroys()];
        runners.push(Runner { alike: false, ..bare("nlink-lab", nlink_lab.deploys(), after) });
    }
    if Path::new(MININET).exists() {
        let script = tools.file(&format!("star-{count}.py"), &by_mininet(count))?;
        let does = [PYTHON, &*script].map(str::to_owned).to_vec();
        runners.push(Runner { alike: false, is_slow: true, ..bare("mininet", does, vec![tools.floor("gone")]) });
    }
    if count == 100 {
        runners.extend(of_small_star(tools, count)?);
    }
    Ok(runners)
}

/// Those that a star of a thousand would take many minutes.
fn of_small_star(tools: &Tools, count: usize) -> io::Result<Vec<Runner>> {
    let gone = tools.floor("gone");
    let mut runners = Vec::new();
    if let Some(folder) = PLUGINS.iter().find(|folder| Path::new(folder).join("bridge").exists()) {
        let script = tools.file("star-plugins.sh", &by_plugins(count, folder))?;
        let does = vec!["sh".to_owned(), script];
        // The plugin has the host forward, which namespaces that are made later would inherit.
        let forget = ["sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"].map(str::to_owned).to_vec();
        runners.push(Runner { alike: false, ..bare("CNI's bridge plugin", does, vec![gone.clone(), forget]) });
    }
    if let Some(ifstate) = find("ifstatecli") {
        let config = tools.file("star-ifstate.yaml", &by_ifstate(count))?;
        let does = [&*ifstate, "-q", "-c", &config, "apply"].map(str::to_owned).to_vec();
        runners.push(Runner { alike: false, is_slow: true, ..bare("IfState", does, vec![gone]) });
    }
    Ok(runners)
}

/// A program on the path, or where `ci/setup.sh bench` puts those that no package has.
fn find(program: &str) -> Option<String> {
    let own = env::current_exe().ok()?;
    let installed = own.ancestors().nth(3).map(|target| target.join("peers/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.extend(installed);
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())?;
    Some(found.to_string_lossy().into_owned())
}

/// nlink-lab, with a star. Its bridge is in a namespace, so that one more takes the host's place as the gateway.
pub struct NlinkLab {
    program: String,
    lab: String,
    /// What it keeps of its labs.
    state: String,
}

impl NlinkLab {
    /// It, where it is there.
    pub fn find(tools: &Tools, count: usize) -> io::Result<Option<Self>> {
        let Some(program) = find("nlink-lab") else { return Ok(None) };
        let lab = tools.file(&format!("star-{count}.nll"), &by_nlink_lab(count))?;
        Ok(Some(Self { program, lab, state: format!("XDG_STATE_HOME={}/state", tools.folder) }))
    }

    fn words<const N: usize>(&self, words: [&str; N]) -> Words {
        ["env", &*self.state, &*self.program].into_iter().chain(words).map(str::to_owned).collect()
    }

    /// Makes the star.
    pub fn deploys(&self) -> Words {
        self.words(["deploy", &self.lab])
    }

    /// Tells whether the star is as its file has it.
    pub fn checks(&self) -> Words {
        self.words(["apply", "--check", &self.lab])
    }

    /// Removes the star.
    pub fn destroys(&self) -> Words {
        self.words(["destroy", "race"])
    }
}

fn by_nlink_lab(count: usize) -> String {
    let mut lab = "lab \"race\"\nnode gw\n".to_owned();
    (0..count).for_each(|at| _ = writeln!(lab, "node n{at} {{ route default via 10.0.0.1 }}"));
    lab.push_str("network br0 {\n  subnet 10.0.0.0/16\n  members [gw:eth0");
    (0..count).for_each(|at| _ = write!(lab, ", n{at}:eth0"));
    lab + "]\n}\n"
}

/// Its namespaces have no names: each is a shell's, which ends with the script.
fn by_mininet(count: usize) -> String {
    let size = bridges_of(count).1;
    let mut script = "import os\n\
        from mininet.net import Mininet\n\
        from mininet.nodelib import LinuxBridge\n\
        from mininet.topo import Topo\n\
        os.environ['PATH'] += ':/usr/sbin:/sbin'\n\
        # Else it raises limits of the whole machine.\n\
        Mininet.inited = True\n\
        topo = Topo()\n\
        bridge = topo.addSwitch('br0', cls=LinuxBridge)\n"
        .to_owned();
    for at in 0..count {
        let address = address_in_star(at, size);
        _ = writeln!(
            script,
            "topo.addHost('n{at}', ip='{address}/16', defaultRoute='via 10.0.0.1')\n\
             topo.addLink('n{at}', bridge, intfName1='eth0', intfName2='n{at}-eth0')"
        );
    }
    script + "Mininet(topo, controller=None).start()\nos._exit(0)\n"
}

fn by_ifstate(count: usize) -> String {
    let size = bridges_of(count).1;
    let mut config = "interfaces:\n  br0: { link: { kind: bridge, state: up }, addresses: [10.0.0.1/16] }\n".to_owned();
    for at in 0..count {
        _ = writeln!(
            config,
            "  n{at}-eth0: {{ link: {{ kind: veth, peer: eth0, peer_netns: n{at}, master: br0, state: up }} }}"
        );
    }
    config.push_str("namespaces:\n");
    for at in 0..count {
        let address = address_in_star(at, size);
        _ = writeln!(
            config,
            "  n{at}:\n    interfaces:\n      eth0:\n        \
             link: {{ kind: veth, peer: n{at}-eth0, peer_netns: null, state: up }}\n        \
             addresses: [{address}/16]\n    routing: {{ routes: [{{ to: 0.0.0.0/0, via: 10.0.0.1 }}] }}"
        );
    }
    config
}

/// By the plugins that container engines use, which are started for each namespace and name the ports by themselves.
fn by_plugins(count: usize, folder: &str) -> String {
    let size = bridges_of(count).1;
    let mut script = format!("set -e\nexport CNI_COMMAND=ADD CNI_IFNAME=eth0 CNI_PATH={folder}\n");
    for at in 0..count {
        let (bridge, address) = (at / size, address_in_star(at, size));
        let addressing = format!(
            r#"{{"type":"static","addresses":[{{"address":"{address}/16","gateway":"10.{bridge}.0.1"}}],"routes":[{{"dst":"0.0.0.0/0"}}]}}"#
        );
        _ = writeln!(
            script,
            r#"ip netns add n{at}
CNI_CONTAINERID=n{at} CNI_NETNS=/run/netns/n{at} {folder}/bridge >/dev/null <<END
{{"cniVersion":"0.4.0","name":"race","type":"bridge","bridge":"br{bridge}","isGateway":true,"ipam":{addressing}}}
END"#
        );
    }
    script
}
