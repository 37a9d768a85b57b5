//! What concerns the settings: faults, and what others could read or change.

use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;

pub(super) fn judge(facts: &Facts, findings: &mut Vec<Finding>) {
    let settings = &facts.settings;
    findings.extend(settings.problems.iter().map(Finding::of_problem));
    for path in &facts.writable_by_others {
        let title = format!("everybody can change {}, and with it where the miner mines to", path.display());
        findings.push(
            Finding::red("config-writable", title)
                .safety()
                .command(format!("chmod o-w '{}'", path.display())),
        );
    }
    for path in &facts.readable_by_others {
        let title = format!("others can read the token in {}", path.display());
        findings.push(
            Finding::red("api-token", title).safety().command(format!("chmod 600 '{}'", path.display())),
        );
    }
    if let Some(bind) = settings.api_bind.filter(|bind| !bind.ip().is_loopback()) {
        let title = format!(
            "the interface on {bind} is not encrypted: who sees the network's traffic sees the token"
        );
        findings.push(
            Finding::yellow("api-plain", title)
                .safety()
                .help("in a network that you do not trust, bind to 127.0.0.1 and put a reverse proxy with TLS before it"),
        );
    }
    if let Some(schedule) = &settings.schedule {
        findings.push(Finding::green("schedule", format!("mining is limited to these hours: {schedule}")));
    }
}
