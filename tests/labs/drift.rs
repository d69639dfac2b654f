//! What somebody could do to a running lab by hand: derived from what the kernel holds, so that a new lab has its drifts
//! without a word. One of each way for each sort of place.

mod address;
mod firewall;
mod link;
mod route;
mod setting;

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use crate::dump::netns_names;

/// A change by hand.
#[derive(Debug, Clone)]
pub struct Drift {
    /// What happens, for the report of a failure.
    pub title: String,
    /// The namespace that it happens in; `None` for the host.
    netns: Option<String>,
    /// The commands.
    script: String,
    /// Commands that remove what is no part of the lab, run when the lab is repaired.
    tidy: Option<String>,
    /// Whether the lab's own checks have to fail by it.
    pub cuts: bool,
}

impl Drift {
    /// Every way in which the running lab can drift.
    pub fn possible() -> Vec<Self> {
        let mut found = Found::default();
        for place in Place::all() {
            setting::drifts(&place, &mut found);
            for link in place.links.iter().filter(|link| link.ours) {
                link::drifts(&place, link, &mut found);
                address::drifts(&place, link, &mut found);
            }
            route::drifts(&place, &mut found);
            firewall::drifts(&place, &mut found);
        }
        found.drifts
    }

    /// Does it.
    pub fn happen(&self) {
        run(self.netns.as_deref(), &self.script);
    }

    /// Removes what it has left beside the lab, if that is still there.
    pub fn tidy(&self) {
        if let Some(script) = &self.tidy {
            run(self.netns.as_deref(), &format!("{script} || true"));
        }
    }
}

/// The drifts that were found, one of each way for each sort of place.
#[derive(Default)]
struct Found {
    drifts: Vec<Drift>,
    seen: BTreeSet<(String, String)>,
}

impl Found {
    /// Adds a drift at `target`, unless one of that way is known for that sort of place.
    fn add(&mut self, place: &Place, sort: &str, way: &str, target: &str, script: impl Into<String>) -> Added<'_> {
        if !self.seen.insert((sort.to_owned(), way.to_owned())) {
            return Added(None);
        }
        let script = script.into();
        let title = format!("{}: {target} ({sort}): {way}: {script}", place.title());
        self.drifts.push(Drift { title, netns: place.netns.clone(), script, tidy: None, cuts: false });
        Added(self.drifts.last_mut())
    }
}

/// A drift that was added, if it was.
struct Added<'a>(Option<&'a mut Drift>);

impl Added<'_> {
    /// The lab's checks have to notice it.
    fn cuts(self) -> Self {
        self.cuts_if(true)
    }

    fn cuts_if(mut self, cuts: bool) -> Self {
        if let Some(drift) = &mut self.0 {
            drift.cuts = cuts;
        }
        self
    }

    /// It leaves something beside the lab, which this removes.
    fn tidied_by(self, script: &str) {
        if let Some(drift) = self.0 {
            drift.tidy = Some(script.to_owned());
        }
    }
}

/// The host or a namespace of the lab's.
struct Place {
    netns: Option<String>,
    links: Vec<Link>,
}

/// A device.
struct Link {
    name: String,
    /// Whether it bears a mark.
    ours: bool,
    kind: String,
    master: Option<String>,
    mac: String,
    up: bool,
    hairpin: bool,
    /// Addresses that are not of the kernel's own making, with their prefix lengths.
    addresses: Vec<(String, u64)>,
}

/// How marks begin.
const MARK: &str = "netwright:";

impl Place {
    /// The host, and the namespaces that bear a mark.
    fn all() -> Vec<Self> {
        let host = Self { netns: None, links: links(None) };
        let named = netns_names().into_iter().map(|name| Self { links: links(Some(&name)), netns: Some(name) });
        let ours = |it: &Self| it.link("lo").is_some_and(|lo| lo.ours);
        [host].into_iter().chain(named.filter(ours)).collect()
    }

    fn title(&self) -> &str {
        self.netns.as_deref().unwrap_or("host")
    }

    fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    fn run(&self, script: &str) -> String {
        run(self.netns.as_deref(), script)
    }
}

fn links(netns: Option<&str>) -> Vec<Link> {
    let parsed: Value = serde_json::from_str(&run(netns, "ip -d -j address show")).expect("ip prints JSON");
    parsed.as_array().expect("a list of links").iter().map(Link::read).collect()
}

impl Link {
    fn read(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let addresses = value["addr_info"].as_array().expect("a list of addresses").iter();
        let given = addresses.filter(|it| it["scope"] == "global");
        Self {
            name: text(&value["ifname"]),
            ours: text(&value["ifalias"]).starts_with(MARK),
            kind: text(&value["linkinfo"]["info_kind"]),
            master: value["master"].as_str().map(str::to_owned),
            mac: text(&value["address"]),
            up: value["flags"].as_array().expect("a list of flags").contains(&"UP".into()),
            hairpin: value["linkinfo"]["info_slave_data"]["hairpin"] == true,
            addresses: given.map(|it| (text(&it["local"]), it["prefixlen"].as_u64().expect("a length"))).collect(),
        }
    }

    /// What a drift of it is an example of.
    fn sort(&self, place: &Place) -> &'static str {
        match (&*self.kind, &self.master, &place.netns) {
            ("bridge", ..) => "bridge",
            ("veth", Some(_), _) => "port",
            ("veth", None, None) => "end on the host",
            ("veth", None, Some(_)) => "end in a namespace",
            _ => "loopback",
        }
    }
}

/// Runs commands in a namespace and yields what they print.
fn run(netns: Option<&str>, script: &str) -> String {
    let mut command = match netns {
        Some(name) => {
            let mut enter = Command::new("nsenter");
            enter.args([&format!("--net=/run/netns/{name}"), "--", "sh"]);
            enter
        }
        None => Command::new("sh"),
    };
    let output = command.args(["-ec", script]).output().expect("a shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("tools print text")
}
