//! Rights on graphics cards: their device files belong to groups, and a user must be a member.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{Places, Step};
use crate::problem::Problem;
use crate::telemetry::roots::{entries, name_of, read};

/// Where udev looks for rules of the machine's owner.
const RULE_FILE: &str = "udev/rules.d/60-rminer-gpu.rules";
/// Gives render nodes to the group that most systems have for them.
const RULE: &str = "# Written by `rminer setup gpu-rights`; `rminer setup gpu-rights --undo` removes it.\n\
                    SUBSYSTEM==\"drm\", KERNEL==\"renderD*\", GROUP=\"render\", MODE=\"0660\"\n";
/// Device files that are looked at; machines have no more cards.
const MAX_NODES: usize = 256;
/// Groups that get at cards on usual systems.
const USUAL: [&str; 2] = ["render", "video"];

/// A device file of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where.
    pub path: PathBuf,
    /// Whose group may use it; `None` where the group has no name.
    pub group: Option<String>,
    /// Whether everybody may.
    pub for_all: bool,
}

/// Device files and groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Render nodes of cards, and the files of NVIDIA's driver.
    pub nodes: Vec<Node>,
    /// Names of all groups.
    pub groups: Vec<String>,
    /// The user that is to mine.
    pub user: String,
    /// Groups that it is a member of.
    pub member_of: Vec<String>,
}

impl Facts {
    /// As they are for this user.
    pub fn look(places: &Places, user: &str) -> Self {
        let groups = groups(places);
        let name = |id: u32| groups.iter().find(|group| group.id == id).map(|group| group.name.clone());
        let is_node = |path: &PathBuf| {
            let name = name_of(path);
            name.starts_with("renderD") || name.starts_with("nvidia") && !path.is_dir()
        };
        let files = entries(&places.dev.join("dri")).into_iter().chain(entries(&places.dev));
        let nodes = files.filter(is_node).take(MAX_NODES).filter_map(|path| {
            let metadata = std::fs::metadata(&path).ok()?;
            let for_all = metadata.mode() & 0o006 == 0o006;
            Some(Node { group: name(metadata.gid()), for_all, path })
        });
        let nodes = nodes.collect();
        let member_of = groups.iter().filter(|group| group.members.iter().any(|member| member == user));
        let member_of = member_of.map(|group| group.name.clone()).collect();
        let groups = groups.iter().map(|group| group.name.clone()).collect();
        Self { nodes, groups, user: user.to_owned(), member_of }
    }
}

/// The steps that let the user compute on the cards.
///
/// # Errors
/// When there is no card, or no user to give rights to.
pub fn plan(places: &Places, facts: &Facts) -> Result<Vec<Step>, Problem> {
    if facts.nodes.is_empty() {
        let problem = Problem::error("no-device", "there is no device file of a graphics card");
        return Err(problem
            .fact("looked for /dev/dri/renderD* and /dev/nvidia*")
            .help("load the card's driver first; `rminer devices` says what is missing"));
    }
    if facts.user.is_empty() || facts.user == "root" {
        let problem = Problem::error("no-user", "root needs no rights; name the user that is to mine");
        return Err(problem.help("sudo rminer setup gpu-rights --user NAME"));
    }
    let mut steps = Vec::new();
    let mut wanted: Vec<&str> = Vec::new();
    for node in facts.nodes.iter().filter(|node| !node.for_all) {
        match node.group.as_deref() {
            Some("root") | None => {
                steps.extend(Step::file(
                    places.etc.join(RULE_FILE),
                    RULE.into(),
                    "render nodes belong to root alone here; they go to the group render at the next start",
                ));
                wanted.push("render");
            }
            Some(group) => wanted.push(group),
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    steps.dedup();
    for group in wanted {
        let exists = facts.groups.iter().any(|known| known == group);
        if exists && !facts.member_of.iter().any(|own| own == group) {
            steps.push(Step::Member { user: facts.user.clone(), group: group.to_owned() });
        }
    }
    Ok(steps)
}

/// Groups of the usual names that the user could be a member of and is not.
pub fn missing_groups(facts: &Facts) -> Vec<&'static str> {
    let is_missing = |group: &&str| {
        facts.groups.iter().any(|known| known == group) && !facts.member_of.iter().any(|own| own == group)
    };
    USUAL.into_iter().filter(is_missing).collect()
}

pub(super) fn is_member(places: &Places, user: &str, group: &str) -> bool {
    let is_it = |known: &Group| known.name == group && known.members.iter().any(|member| member == user);
    groups(places).iter().any(is_it)
}

struct Group {
    name: String,
    id: u32,
    members: Vec<String>,
}

fn groups(places: &Places) -> Vec<Group> {
    let text = read(&places.etc.join("group")).unwrap_or_default();
    let group = |line: &str| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        let members = fields.next().unwrap_or_default().split(',').filter(|member| !member.is_empty());
        Some(Group { name: name.into(), id: id.parse().ok()?, members: members.map(str::to_owned).collect() })
    };
    text.lines().filter_map(group).collect()
}
