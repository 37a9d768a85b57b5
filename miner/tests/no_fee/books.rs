//! What the client did, held against what it was told to do.

use serde_json::Value;

/// Who mines at a pool.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) pass: String,
}

/// Counts, and the first thing that was wrong.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) connects: u64,
    pub(crate) failed_connects: u64,
    pub(crate) redirects_wanted: u64,
    pub(crate) redirects_followed: u64,
    pub(crate) logins: u64,
    pub(crate) submits: u64,
    pub(crate) accepted: u64,
    pub(crate) switches: u64,
    pub(crate) lines: u64,
    pub(crate) failure: Option<String>,
}

impl Books {
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.failure.get_or_insert(what.into());
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.connects += other.connects;
        self.failed_connects += other.failed_connects;
        self.redirects_wanted += other.redirects_wanted;
        self.redirects_followed += other.redirects_followed;
        self.logins += other.logins;
        self.submits += other.submits;
        self.accepted += other.accepted;
        self.switches += other.switches;
        self.lines += other.lines;
        if let Some(failure) = &other.failure {
            self.fail(failure.clone());
        }
    }

    pub(crate) fn summary(&self, hours: u64) -> String {
        format!(
            "{hours} virtual hours, {} connects ({} failed, {} after a redirect of {}), {} logins, {} shares sent, {} \
             accepted, {} switches by hand, {} lines to pools",
            self.connects,
            self.failed_connects,
            self.redirects_followed,
            self.redirects_wanted,
            self.logins,
            self.submits,
            self.accepted,
            self.switches,
            self.lines
        )
    }

    /// The client sent this to the pool of this index: whole lines, each a request or an answer.
    pub(crate) fn sent(&mut self, accounts: &[Account], pool: usize, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for (other, account) in accounts.iter().enumerate().filter(|(other, _)| *other != pool) {
            let written = Value::from(account.user.as_str()).to_string();
            let (user, pass) = (written.trim_matches('"'), account.pass.as_str());
            if text.contains(user) || text.contains(pass) {
                self.fail(format!("pool {pool} is told of the account at pool {other}: {text}"));
            }
        }
        for line in text.split_terminator('\n') {
            self.lines += 1;
            match serde_json::from_str(line) {
                Ok(message) => self.line(&accounts[pool], pool, &message),
                Err(error) => self.fail(format!("no JSON to pool {pool}: {error}: {line}")),
            }
        }
    }

    fn line(&mut self, account: &Account, pool: usize, message: &Value) {
        let params = &message["params"];
        let named: &[(&Value, &str)] = match message["method"].as_str() {
            Some("login") => {
                self.logins += 1;
                &[(&params["login"], &account.user), (&params["pass"], &account.pass)]
            }
            Some("mining.authorize") => {
                self.logins += 1;
                &[(&params[0], &account.user), (&params[1], &account.pass)]
            }
            Some("mining.submit") => {
                self.submits += 1;
                &[(&params[0], &account.user)]
            }
            Some("submit") => {
                self.submits += 1;
                &[]
            }
            Some(
                "keepalived"
                | "mining.subscribe"
                | "mining.configure"
                | "mining.extranonce.subscribe"
                | "mining.suggest_difficulty"
                | "mining.ping"
                | "mining.multi_version",
            ) => &[],
            // An answer to the pool's own question.
            None if message.get("id").is_some() => &[],
            method => return self.fail(format!("pool {pool} is asked {method:?}: {message}")),
        };
        for (sent, configured) in named {
            if sent.as_str() != Some(*configured) {
                self.fail(format!("pool {pool} gets {sent} where {configured:?} is configured: {message}"));
            }
        }
    }
}
