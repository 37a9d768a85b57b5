//! The pools: which list counts, what each pool's own settings are, and what contradicts what.

use std::path::PathBuf;

use rminer_algos::Algorithm;
use rminer_stratum::endpoint::{
    ApplyExtranonce, BitcoinOptions, Credentials, DEFAULT_VERSION_MASK, Login, PoolConfig, PoolUrl, Protocol,
    Proxy, RedirectPolicy, TlsPolicy, Toggle, UrlError, VersionBits,
};
use secrecy::{ExposeSecret, SecretString};

use super::identity;
use super::keys::{Key, Setting};
use super::raw::{Given, Origin, Values};
use super::resolve::Resolver;
use super::resolved::MAX_POOLS;
use super::secrets::{others_can_read, read_first_line};
use super::values;
use crate::problem::Problem;

/// What pools without a password are sent.
const NO_PASSWORD: &str = "x";
/// What pools on this machine or in this house are sent when no user is named.
const NO_USER: &str = "x";

const TOGGLES: [(&str, Toggle); 3] = [("auto", Toggle::Auto), ("on", Toggle::On), ("off", Toggle::Off)];

/// All pools, in order.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    algorithm: &'static Algorithm,
    needed: bool,
) -> Vec<PoolConfig> {
    let layers = resolver.layers;
    let by_precedence = [&layers.flags, &layers.env, &layers.file];
    let Some(rank) = by_precedence.iter().position(|layer| !layer.pools.is_empty()) else {
        if needed {
            resolver.problems.push(no_pool());
        }
        return Vec::new();
    };
    let list = &by_precedence[rank].pools;
    if list.len() > MAX_POOLS {
        let problem =
            Problem::error("too-many-pools", format!("{} pools are more than {MAX_POOLS}", list.len()));
        resolver.problems.push(problem.help("keep those that you would really fall back to"));
        return Vec::new();
    }
    let shared = if rank == 0 { shared_identity(list) } else { Values::new() };
    let mut pools: Vec<PoolConfig> = Vec::new();
    for (index, own) in list.iter().enumerate() {
        let mut general: Vec<&Values> = by_precedence.iter().map(|layer| &layer.values).collect();
        general.push(&shared);
        let Some(pool) = (Builder { resolver, index, own, rank, general }).build(algorithm) else { continue };
        let twin = pools.iter().position(|other| {
            other.url.is_same_server(&pool.url) && other.credentials.user == pool.credentials.user
        });
        if let (Some(twin), Some(given)) = (twin, own.get(&Setting::Pool)) {
            let summary =
                format!("pool {} and pool {} are the same: {}", twin + 1, index + 1, pool.url.address());
            resolver.error(Problem::error("duplicate-pool", summary).help("name each pool once"), given);
        }
        pools.push(pool);
    }
    refuse_idle_tls_settings(resolver, &pools);
    warn_of_plain(resolver, &pools);
    pools
}

fn no_pool() -> Problem {
    Problem::error("no-pool", "there is no pool to mine to")
        .help("rminer --algo randomx --pool stratum+tls://HOST:PORT --user WALLET       (a pool)")
        .help("rminer --algo randomx --pool daemon+http://127.0.0.1:18081 --user WALLET (solo, your own node)")
        .help("rminer --config FILE                                                     (see rminer config init)")
}

/// User and worker of pools that have none of their own, where the command line names only one: people write
/// `-o A -o B -u ME` and mean themselves at both.
fn shared_identity(list: &[Values]) -> Values {
    let mut shared = Values::new();
    for setting in [Setting::User, Setting::Worker] {
        let mut given = list.iter().filter_map(|own| own.get(&setting));
        if let Some(first) = given.next()
            && given.all(|other| other.text == first.text)
        {
            shared.insert(setting, first.clone());
        }
    }
    shared
}

/// General TLS settings apply to the pools that are encrypted, so there must be one.
fn refuse_idle_tls_settings(resolver: &mut Resolver<'_>, pools: &[PoolConfig]) {
    if pools.is_empty() || pools.iter().any(|pool| pool.url.transport().is_encrypted()) {
        return;
    }
    let layers = resolver.layers;
    for layer in [&layers.flags, &layers.env, &layers.file] {
        let pin = layer.values.get_key_value(&Setting::TlsPin);
        let trust = layer.values.get_key_value(&Setting::TlsTrust).filter(|(_, given)| given.text != "ca");
        if let Some((&setting, given)) = pin.or(trust) {
            let summary = format!("{} needs TLS, and no pool is encrypted", layers.name(setting, given));
            let help = "write the pool as stratum+tls://HOST:PORT, or leave the TLS settings out";
            resolver.error(Problem::error("pool-conflict", summary).help(help), given);
        }
    }
}

/// One warning for all pools whose address leaves open whether to encrypt.
fn warn_of_plain(resolver: &mut Resolver<'_>, pools: &[PoolConfig]) {
    let plain: Vec<String> = pools
        .iter()
        .map(|pool| &pool.url)
        .filter(|url| !url.scheme_given() && !url.transport().is_encrypted() && !url.host().is_loopback())
        .map(PoolUrl::address)
        .collect();
    if !plain.is_empty() {
        let summary = format!("the connection to {} is not encrypted", plain.join(", "));
        let warning = Problem::warning("plain", summary)
            .fact("Anybody on the way can read it and take the hashrate. Nothing is guessed from the port.")
            .help("add --tls if the pool offers it, or write stratum+tcp:// to say that plain is meant");
        resolver.warn(warning);
    }
}

/// Makes one pool of its own settings and the general ones.
struct Builder<'a, 'r, 'l> {
    resolver: &'r mut Resolver<'l>,
    index: usize,
    own: &'a Values,
    /// The layer, by precedence, that this pool comes from.
    rank: usize,
    /// The general settings of every layer, by precedence.
    general: Vec<&'a Values>,
}

impl<'a> Builder<'a, '_, '_> {
    fn build(mut self, algorithm: &'static Algorithm) -> Option<PoolConfig> {
        let address = self.own.get(&Setting::Pool)?;
        self.resolver.show(Setting::Pool, Some(self.index), Some(address));
        let url = self.url(address)?;
        // For a node the login inside the URL is its own, for a pool it is the miner's.
        let login = match url.protocol() {
            Protocol::Stratum => {
                url.login().map(|login| as_values(login, &address.origin)).unwrap_or_default()
            }
            Protocol::Monerod | Protocol::Gbt | Protocol::Kaspad => Values::new(),
        };
        if let (Some(Login { pass: Some(pass), .. }), Protocol::Monerod | Protocol::Gbt) =
            (url.login(), url.protocol())
        {
            self.warn_of_visible(Setting::Pool, pass.expose_secret(), &address.origin);
        }
        let user = self.user(&url, algorithm, &login);
        let worker =
            self.find(Setting::Worker, &login).filter(|given| !given.text.trim().is_empty()).cloned();
        self.resolver.show_given(Setting::Worker, self.index, worker.as_ref());
        if let Some(worker) = &worker {
            identity::check_worker(self.resolver, worker);
        }
        let pass = self.pass(&login);
        let tls = self.tls(&url);
        let proxy = self.proxy();
        let keepalive =
            self.take(Setting::Keepalive, |text| values::word(text, &TOGGLES)).unwrap_or_default();
        let nicehash = self.take(Setting::Nicehash, |text| values::word(text, &TOGGLES)).unwrap_or_default();
        let randomx_v2_by_block_version =
            self.take(Setting::RandomxV2ByVersion, values::switch).unwrap_or(false);
        let redirects = [
            ("same-host", RedirectPolicy::SameHost),
            ("same-domain", RedirectPolicy::SameDomain),
            ("any", RedirectPolicy::Any),
        ];
        let redirect =
            self.take(Setting::Redirect, |text| values::word(text, &redirects)).unwrap_or_default();
        let bitcoin = self.bitcoin();
        let rpc_cookie = self.rpc_cookie(&url);
        let credentials = Credentials { user: user?, pass, rig_id: worker.map(|given| given.text) };
        let pool = PoolConfig {
            keepalive,
            nicehash,
            randomx_v2_by_block_version,
            bitcoin,
            rpc_cookie,
            redirect,
            tls,
            proxy,
            ..PoolConfig::new(url, credentials, algorithm)
        };
        for contradiction in pool.contradictions() {
            let problem =
                Problem::error("pool-conflict", contradiction.to_string()).help(contradiction.help());
            self.resolver.error(problem, address);
        }
        Some(pool)
    }

    /// A general cookie file is for those pools that are Bitcoin nodes; a pool's own must fit it.
    fn rpc_cookie(&mut self, url: &PoolUrl) -> Option<PathBuf> {
        let path = self.take(Setting::RpcCookie, |text| Ok(PathBuf::from(text)))?;
        let own = self.own.contains_key(&Setting::RpcCookie);
        (own || url.protocol() == Protocol::Gbt).then_some(path)
    }

    /// What only Bitcoin pools are asked.
    fn bitcoin(&mut self) -> BitcoinOptions {
        let ways = [("bip310", VersionBits::Bip310), ("xor", VersionBits::Xor)];
        let when = [("next-job", ApplyExtranonce::NextJob), ("now", ApplyExtranonce::Now)];
        let subscribe = self.take(Setting::ExtranonceSubscribe, |text| values::word(text, &TOGGLES));
        BitcoinOptions {
            version_mask: self
                .take(Setting::VersionMask, values::version_mask)
                .unwrap_or(DEFAULT_VERSION_MASK),
            version_bits: self
                .take(Setting::VersionBits, |text| values::word(text, &ways))
                .unwrap_or_default(),
            extranonce_subscribe: subscribe.unwrap_or_default(),
            suggest_difficulty: self.take(Setting::SuggestDifficulty, values::difficulty),
            apply_extranonce: self
                .take(Setting::ApplyExtranonce, |text| values::word(text, &when))
                .unwrap_or_default(),
            pipeline: self.take(Setting::Pipeline, values::switch).unwrap_or(true),
        }
    }

    /// The value for this pool: what stands over its layer, its own, the login in its URL, what stands below.
    fn find<'v>(&self, setting: Setting, login: &'v Values) -> Option<&'v Given>
    where
        'a: 'v,
    {
        self.scopes(login).into_iter().find_map(|values| values.get(&setting))
    }

    fn scopes<'v>(&self, login: &'v Values) -> Vec<&'v Values>
    where
        'a: 'v,
    {
        let (above, below) = self.general.split_at(self.rank);
        above.iter().copied().chain([self.own, login]).chain(below.iter().copied()).collect()
    }

    fn take<T>(&mut self, setting: Setting, parse: impl Fn(&str) -> Result<T, values::Fault>) -> Option<T> {
        let none = Values::new();
        let given = self.find(setting, &none).cloned();
        self.resolver.show_given(setting, self.index, given.as_ref());
        given.and_then(|given| self.resolver.parse(setting, &given, parse))
    }

    fn url(&mut self, given: &Given) -> Option<PoolUrl> {
        let daemon = self.take(Setting::Daemon, values::switch).unwrap_or(false);
        let text = match daemon && !given.text.contains("://") {
            true => format!("daemon+http://{}", given.text),
            false => given.text.clone(),
        };
        let tls = self.take(Setting::Tls, values::switch);
        match (text.parse::<PoolUrl>(), tls) {
            (Ok(url), Some(true)) => Some(url.with_tls()),
            (Ok(url), Some(false)) if url.transport().is_encrypted() => {
                let summary = format!("{url} is encrypted, but the setting `tls` says off");
                let problem = Problem::error("pool-conflict", summary);
                self.resolver.error(problem.help("remove one of the two"), given);
                None
            }
            (Ok(url), _) => Some(url),
            (Err(error), _) => {
                let name = self.resolver.layers.name(Setting::Pool, given);
                let problem = Problem::error("pool-url", format!("{name}: {error}")).help(error.help());
                self.resolver.error(with_log_hint(problem, &given.text, &error), given);
                None
            }
        }
    }

    fn user(&mut self, url: &PoolUrl, algorithm: &Algorithm, login: &Values) -> Option<String> {
        let none = Values::new();
        let is_account = self.take(Setting::UserIsAccount, values::switch).unwrap_or(false);
        let given = self.find(Setting::User, login).or_else(|| self.find(Setting::User, &none)).cloned();
        self.resolver.show(Setting::User, Some(self.index), given.as_ref());
        if let Some(given) = given.filter(|given| !given.text.trim().is_empty()) {
            let good =
                identity::check_user(self.resolver, &given, url.protocol(), algorithm.family, is_account);
            return good.then(|| given.text.trim().to_owned());
        }
        if url.protocol() == Protocol::Stratum && url.host().is_private() {
            let summary = format!("there is no user for pool {} ({})", self.index + 1, url.address());
            let warning = Problem::warning("no-user", summary);
            self.resolver.warn(warning.fact("It is in your own network, so it is tried as user `x`."));
            return Some(NO_USER.to_owned());
        }
        let summary = format!("there is no user for pool {} ({})", self.index + 1, url.address());
        let problem = Problem::error("no-user", summary).help("add --user WALLET, or `user` in the file");
        self.resolver.problems.push(problem);
        None
    }

    fn pass(&mut self, login: &Values) -> SecretString {
        for values in self.scopes(login) {
            match (values.get(&Setting::Pass), values.get(&Setting::PassFile)) {
                (Some(pass), Some(_)) => {
                    let problem =
                        Problem::error("pass-conflict", "a password and a password file are both given");
                    self.resolver.error(problem.help("remove one of the two"), pass);
                    break;
                }
                (Some(pass), None) => {
                    let pass = pass.clone();
                    self.resolver.show(Setting::Pass, Some(self.index), Some(&pass));
                    self.warn_of_visible(Setting::Pass, &pass.text, &pass.origin);
                    identity::check_pass(self.resolver, &pass);
                    return SecretString::from(pass.text);
                }
                (None, Some(file)) => {
                    let file = file.clone();
                    self.resolver.show(Setting::PassFile, Some(self.index), Some(&file));
                    return self.pass_from(&file);
                }
                (None, None) => {}
            }
        }
        SecretString::from(NO_PASSWORD)
    }

    fn pass_from(&mut self, given: &Given) -> SecretString {
        match read_first_line(&PathBuf::from(&given.text)) {
            Ok((pass, others)) => {
                if others {
                    let warning = Problem::warning("file-mode", format!("others can read {}", given.text));
                    self.resolver.warn(warning.help(format!("chmod 600 {}", given.text)));
                }
                pass
            }
            Err(why) => {
                let summary = format!("the password file {} cannot be used: {why}", given.text);
                let problem = Problem::error("pass-file", summary);
                self.resolver.error(problem.help("name a file whose first line is the password"), given);
                SecretString::from("")
            }
        }
    }

    fn tls(&mut self, url: &PoolUrl) -> TlsPolicy {
        let none = Values::new();
        let says = |values: &Values| {
            [Setting::TlsPin, Setting::TlsTrust].map(|setting| values.get(&setting).cloned())
        };
        let nearest =
            self.scopes(&none).into_iter().map(|values| (says(values), std::ptr::eq(values, self.own)));
        let Some(([pin, trust], own)) =
            nearest.into_iter().find(|(says, _)| says.iter().any(Option::is_some))
        else {
            return TlsPolicy::Verify;
        };
        self.resolver.show_given(Setting::TlsPin, self.index, pin.as_ref());
        self.resolver.show_given(Setting::TlsTrust, self.index, trust.as_ref());
        let fingerprint = |text: &str| {
            TlsPolicy::pin(text).map_err(|error| values::Fault {
                why: format!("is {error}"),
                help: "copy it from the message about the unknown certificate".into(),
            })
        };
        let trusts = [("ca", TlsPolicy::Verify), ("tofu", TlsPolicy::Tofu)];
        let pinned = pin.as_ref().and_then(|pin| self.resolver.parse(Setting::TlsPin, pin, fingerprint));
        let word = |text: &str| values::word(text, &trusts);
        let trusted = trust.as_ref().and_then(|trust| self.resolver.parse(Setting::TlsTrust, trust, word));
        if let (Some(pin), Some(TlsPolicy::Tofu)) = (&pin, &trusted) {
            let problem = Problem::error("pool-conflict", "a pin and trust on first use exclude each other");
            self.resolver.error(problem.help("with a pin, leave the setting tls_trust out"), pin);
        }
        // General TLS settings are for those pools that are encrypted; a pool's own must fit it.
        let applies = own || url.transport().is_encrypted();
        pinned.or(trusted).filter(|_| applies).unwrap_or_default()
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let none = Values::new();
        let given = self.find(Setting::Proxy, &none).cloned();
        self.resolver.show_given(Setting::Proxy, self.index, given.as_ref());
        let given = given.filter(|given| !["off", "none"].contains(&given.text.as_str()))?;
        match given.text.parse::<Proxy>() {
            Ok(proxy) => {
                if let Some(Login { pass: Some(pass), .. }) = proxy.login() {
                    self.warn_of_visible(Setting::Proxy, pass.expose_secret(), &given.origin);
                }
                Some(proxy)
            }
            Err(error) => {
                let name = self.resolver.layers.name(Setting::Proxy, &given);
                let problem = Problem::error("proxy", format!("{name}: {error}")).help(error.help());
                self.resolver.error(problem, &given);
                None
            }
        }
    }

    /// Warns of a password that others on this machine can see.
    fn warn_of_visible(&mut self, setting: Setting, pass: &str, origin: &Origin) {
        if pass.is_empty() || pass.eq_ignore_ascii_case(NO_PASSWORD) {
            return;
        }
        match (origin, &self.resolver.layers.source) {
            (Origin::Flag(flag), _) => {
                let summary =
                    format!("others on this machine can see the password of --{flag} in the process list");
                let help = match Key::of(setting).env_name() {
                    Some(name) => {
                        format!("keep it in {name}, or in a file with --pass-file FILE or --config FILE")
                    }
                    None => "keep it in a file with --config FILE".to_owned(),
                };
                self.resolver.warn(Problem::warning("password-visible", summary).help(help));
            }
            (Origin::File(span), Some(source)) => {
                let is_variable = source.text().get(span.clone()).is_some_and(|text| text.contains("${"));
                let others = std::fs::metadata(&source.path).is_ok_and(|metadata| others_can_read(&metadata));
                if others && !is_variable {
                    let path = source.path.display();
                    let warning =
                        Problem::warning("file-mode", format!("others can read the password in {path}"));
                    self.resolver.warn(warning.help(format!("chmod 600 {path}")));
                }
            }
            _ => {}
        }
    }
}

impl Resolver<'_> {
    /// Shows a pool's setting only where somebody gave it: defaults would drown the list.
    fn show_given(&mut self, setting: Setting, pool: usize, given: Option<&Given>) {
        if given.is_some() {
            self.show(setting, Some(pool), given);
        }
    }
}

fn as_values(login: &Login, origin: &Origin) -> Values {
    let given = |text: &str| Given { text: text.to_owned(), origin: origin.clone() };
    let mut values = Values::from([(Setting::User, given(&login.user))]);
    if let Some(pass) = &login.pass {
        values.insert(Setting::Pass, given(pass.expose_secret()));
    }
    values
}

/// Some miners have `-o` for the log file.
fn with_log_hint(problem: Problem, text: &str, error: &UrlError) -> Problem {
    let is_log = text.ends_with(".log") || text.ends_with(".txt");
    if is_log && matches!(error, UrlError::MissingPort { .. } | UrlError::Path { .. } | UrlError::MissingHost)
    {
        return problem.help("for a log file use --log-file");
    }
    problem
}
