//! What is raced for: each work with those who do it, and what has to come of it.

use super::{
    labs::{self, Edit},
    peers::{self, NlinkLab},
};

/// A command, by its words.
pub type Words = Vec<String>;

/// Somebody who does a work.
pub struct Runner {
    pub name: &'static str,
    /// What has to be there before, and is not measured.
    pub before: Vec<Words>,
    /// What is measured.
    pub does: Words,
    /// What is done afterwards, and is not measured.
    pub after: Vec<Words>,
    /// Whether it comes to the same as the others, line by line; one that does not may also fail here.
    pub alike: bool,
    /// Whether it takes so long that one round has to do.
    pub is_slow: bool,
}

/// A work.
pub struct Work {
    pub name: String,
    pub runners: Vec<Runner>,
    /// What is there for all of them and changed by none, and how it goes again.
    pub around: Option<(Words, Words)>,
    /// Whether all of them must come to the same network.
    pub compared: bool,
    /// Whether it is about names that go.
    pub watched: bool,
    /// Whether it takes minutes a time: it is done where it is asked for by its name.
    pub takes_long: bool,
}

/// Where commands and files are.
pub struct Tools {
    pub netwright: String,
    pub floor: String,
    pub folder: String,
}

impl Tools {
    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: &str) -> std::io::Result<String> {
        let path = format!("{}/{name}", self.folder);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    /// The floor, with its words.
    pub fn floor(&self, words: &str) -> Words {
        std::iter::once(&*self.floor).chain(words.split(' ')).map(str::to_owned).collect()
    }

    fn netwright(&self, verb: &str, operand: &str) -> Words {
        let approve = if verb == "plan" || verb == "validate" { "-no-color" } else { "-auto-approve" };
        [&*self.netwright, verb, operand, approve].map(str::to_owned).to_vec()
    }

    fn destroy(&self) -> Vec<Words> {
        vec![self.netwright("destroy", "race")]
    }
}

/// A runner that nothing has to be done for.
pub fn bare(name: &'static str, does: Words, after: Vec<Words>) -> Runner {
    Runner { name, before: Vec::new(), does, after, alike: true, is_slow: false }
}

fn work(name: impl Into<String>, runners: Vec<Runner>) -> Work {
    Work { name: name.into(), runners, around: None, compared: false, watched: false, takes_long: false }
}

/// All of them.
pub fn all(tools: &Tools) -> std::io::Result<Vec<Work>> {
    let mut works = vec![start(tools)?];
    for count in [100, 1000, 10_000] {
        works.push(star(tools, count)?);
    }
    works.push(mesh(tools)?);
    let lab = tools.file("star-1000.yaml", &labs::star(1000, Edit::default()))?;
    let applied = vec![tools.netwright("apply", &lab)];
    let gone = || vec![tools.floor("gone")];
    let plan = tools.netwright("plan", &lab);
    let readers = vec![bare("floor", tools.floor("read"), Vec::new()), bare("netwright", plan, Vec::new())];
    let around = Some((applied[0].clone(), tools.netwright("destroy", "race")));
    works.push(Work { around, ..work("plan without a change, star-1000", readers) });
    let destroy = tools.netwright("destroy", "race");
    let by_floor = vec![tools.floor("star 1000")];
    let mut destroyers = vec![
        Runner { before: by_floor.clone(), ..bare("floor", tools.floor("gone"), Vec::new()) },
        Runner { before: applied.clone(), ..bare("netwright", destroy, Vec::new()) },
    ];
    if let Some(nlink_lab) = NlinkLab::find(tools, 1000)? {
        let around = Some((nlink_lab.deploys(), nlink_lab.destroys()));
        let reader = Runner { alike: false, ..bare("nlink-lab", nlink_lab.checks(), Vec::new()) };
        works.push(Work { around, ..work("the same, a star of nlink-lab's", vec![reader]) });
        let before = vec![nlink_lab.deploys()];
        destroyers.push(Runner { before, alike: false, ..bare("nlink-lab", nlink_lab.destroys(), Vec::new()) });
    }
    works.push(Work { watched: true, ..work("destroy star-1000", destroyers) });
    let edited = tools.file("edited.yaml", &labs::star(1000, Edit { mtu: Some(1400), ..Edit::default() }))?;
    let edit = tools.netwright("apply", &edited);
    works.push(work(
        "change one link of star-1000",
        vec![Runner { before: applied.clone(), ..bare("netwright", edit, tools.destroy()) }],
    ));
    let fewer = tools.file("fewer.yaml", &labs::star(1000, Edit { unplugged: 100, ..Edit::default() }))?;
    let unplug = tools.netwright("apply", &fewer);
    works.push(work(
        "remove 100 of 1000 links",
        vec![
            Runner { before: by_floor, ..bare("floor", tools.floor("unplug 100"), gone()) },
            Runner { before: applied, ..bare("netwright", unplug, tools.destroy()) },
        ],
    ));
    works.extend(forwards(tools)?);
    Ok(works)
}

fn start(tools: &Tools) -> std::io::Result<Work> {
    let small = tools.file(
        "small.yaml",
        "name: small\nnamespaces: { a: {}, b: {} }\nlinks: [{ endpoints: ['a:eth0', 'b:eth0'] }]\n",
    )?;
    let nothing = |name, does: Words| bare(name, does, Vec::new());
    Ok(work(
        "start",
        vec![
            nothing("true", vec!["true".to_owned()]),
            nothing("netwright version", vec![tools.netwright.clone(), "version".to_owned()]),
            nothing("netwright validate", tools.netwright("validate", &small)),
        ],
    ))
}

fn star(tools: &Tools, count: usize) -> std::io::Result<Work> {
    let lab = tools.file(&format!("star-{count}.yaml"), &labs::star(count, Edit::default()))?;
    let script = tools.file(&format!("star-{count}.sh"), &labs::star_by_ip(count))?;
    let gone = vec![tools.floor("gone")];
    let mut runners = vec![
        bare("floor", tools.floor(&format!("star {count}")), gone.clone()),
        bare("netwright", tools.netwright("apply", &lab), tools.destroy()),
    ];
    let takes_long = count > 1000;
    if !takes_long {
        runners.push(bare(
            "floor, as many queues as processors",
            tools.floor(&format!("star {count} 0")),
            gone.clone(),
        ));
        runners.push(bare("ip -batch", vec!["sh".to_owned(), script], gone.clone()));
    }
    if count == 100 {
        let script = tools.file("star-commands.sh", &labs::star_by_commands(count))?;
        runners.push(bare("ip, one command at a time", vec!["sh".to_owned(), script], gone));
    }
    if !takes_long {
        runners.extend(peers::of_star(tools, count)?);
    }
    Ok(Work { compared: true, takes_long, ..work(format!("apply star-{count}"), runners) })
}

fn mesh(tools: &Tools) -> std::io::Result<Work> {
    let lab = tools.file("mesh.yaml", &labs::mesh())?;
    let script = tools.file("mesh.sh", &labs::mesh_by_ip())?;
    let gone = vec![tools.floor("gone")];
    let runners = vec![
        bare("floor", tools.floor("mesh"), gone.clone()),
        bare("netwright", tools.netwright("apply", &lab), tools.destroy()),
        bare("ip -batch", vec!["sh".to_owned(), script], gone),
    ];
    Ok(Work { compared: true, ..work("apply mesh", runners) })
}

fn forwards(tools: &Tools) -> std::io::Result<Vec<Work>> {
    let lab = tools.file("forwards.yaml", &labs::forwards(1000))?;
    let none = tools.file("no-forwards.yaml", &labs::forwards(1).replace("port_forwards:\n", "x-none:\n"))?;
    let rules = tools.file("forwards.rules", &labs::forwards_by_restore(1000))?;
    let shell = |text: &str| ["sh", "-c", text].map(str::to_owned).to_vec();
    let network = vec![tools.netwright("apply", &none)];
    let applied = tools.netwright("apply", &lab);
    let restore = shell(&format!("iptables-restore --noflush < {rules}"));
    let flush = vec![shell("iptables -t nat -F; iptables -t nat -X"), tools.netwright("destroy", "race")];
    let (apply, plan) = (tools.netwright("apply", &lab), tools.netwright("plan", &lab));
    let readers = vec![bare("iptables-save", shell("iptables-save"), Vec::new()), bare("netwright", plan, Vec::new())];
    Ok(vec![
        work(
            "forwards-1000, apply",
            vec![
                bare("iptables-restore", restore, flush),
                Runner { before: network, ..bare("netwright", apply, tools.destroy()) },
            ],
        ),
        Work {
            around: Some((applied, tools.netwright("destroy", "race"))),
            ..work("forwards-1000, plan without a change", readers)
        },
    ])
}
