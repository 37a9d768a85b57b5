//! `rminer ctl pair` and `rminer ctl paired`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde_json::{Value, json};

use super::super::remote::{Interface, runtime};
use super::qr::{self, Style};
use crate::cli::Context;
use crate::config::{Env, usual_path};
use crate::problem::{Problem, printable};

/// Addresses in networks that machines at home are in, and one of documentation for all others: asking the system which
/// way a packet would go sends none.
const FAR_ADDRESSES: [&str; 5] = ["192.0.2.1", "192.168.0.1", "10.0.0.1", "172.16.0.1", "2001:db8::1"];

/// Asks for a code and shows how to use it.
pub(super) fn offer(
    interface: &Interface,
    context: &Context<'_>,
    read: bool,
    ascii: bool,
) -> Result<(String, String), Problem> {
    let scope = if read { "read" } else { "control" };
    let answer = runtime()?.block_on(interface.post("/api/v1/control/pair", &json!({ "scope": scope })))?;
    let offered: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let Some(code) =
        offered["code"].as_str().filter(|code| code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    else {
        return Err(interface.stranger("its answer has no code"));
    };
    let bind = offered["bind"].as_str().and_then(|bind| bind.parse::<SocketAddr>().ok());
    let ways = ways(interface.peer(), bind, &own_addresses());
    let mut said = String::new();
    let may = if read { "look" } else { "look and give orders" };
    let minutes = offered["expires_s"].as_u64().unwrap_or_default() / 60;
    let name = printable(offered["name"].as_str().unwrap_or("this rig"));
    // Writing to a String cannot fail.
    let _ = writeln!(
        said,
        "Lets one device in at {name}, to {may}; good once, for {minutes} minutes.\n\n  code   {}-{}",
        &code[..code.len() / 2],
        &code[code.len() / 2..]
    );
    for way in &ways.addresses {
        let _ = writeln!(said, "  open   http://{way}/#pair={code}");
    }
    match ways.addresses.first() {
        Some(way) if !ways.is_closed => {
            let style = style(context, ascii);
            if let Some(picture) = qr::draw(&format!("http://{way}/#pair={code}"), style) {
                let _ = write!(said, "\n{picture}");
            }
        }
        _ => {
            said.push('\n');
            said.push_str(&how_to_open(
                &ways,
                bind,
                context.config_path().or_else(|| usual_path(context.env())),
            ));
        }
    }
    Ok((String::from_utf8_lossy(&answer).into_owned(), said.trim_end().to_owned()))
}

/// Lists who was let in.
pub(super) fn list(interface: &Interface) -> Result<(String, String), Problem> {
    let answer = runtime()?.block_on(interface.get("/api/v1/paired"))?;
    let list: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let Some(paired) = list["paired"].as_array() else {
        return Err(interface.stranger("its answer has no list"));
    };
    let word = |device: &Value, field: &str| printable(device[field].as_str().unwrap_or_default());
    let lines = paired.iter().map(|device| {
        let since = word(device, "since");
        let since = since.get(..16).unwrap_or(&since).replace('T', " ");
        format!(
            "{:>3}  {:<7}  since {since} UTC  {}",
            device["number"].as_u64().unwrap_or_default(),
            word(device, "scope"),
            word(device, "name")
        )
    });
    let lines: Vec<String> = lines.collect();
    let said = if lines.is_empty() {
        "no device was let in; `rminer ctl pair` does that".to_owned()
    } else {
        lines.join("\n")
    };
    Ok((String::from_utf8_lossy(&answer).into_owned(), said))
}

/// Where a browser finds the interface.
#[derive(Debug, PartialEq, Eq)]
struct Ways {
    addresses: Vec<SocketAddr>,
    /// Whether that is on the rig alone.
    is_closed: bool,
    /// Where it could be found.
    possible: Vec<SocketAddr>,
}

fn ways(asked: Option<SocketAddr>, bind: Option<SocketAddr>, own: &[IpAddr]) -> Ways {
    let port = bind.or(asked).map_or(0, |address| address.port());
    let at = |ip: &IpAddr| SocketAddr::new(*ip, port);
    let possible: Vec<SocketAddr> = own.iter().map(at).collect();
    // A miner on another machine: there it is found where we have found it.
    if let Some(asked) = asked.filter(|asked| !asked.ip().is_loopback()) {
        return Ways { addresses: vec![asked], is_closed: false, possible };
    }
    match bind {
        Some(bind) if bind.ip().is_unspecified() => {
            let fits = |address: &SocketAddr| bind.is_ipv6() || address.is_ipv4();
            let addresses: Vec<SocketAddr> = possible.iter().copied().filter(fits).collect();
            let is_closed = addresses.is_empty();
            Ways { addresses, is_closed, possible }
        }
        Some(bind) => Ways { addresses: vec![bind], is_closed: bind.ip().is_loopback(), possible },
        None => Ways { addresses: asked.into_iter().collect(), is_closed: true, possible },
    }
}

/// What to change so that a phone finds it.
fn how_to_open(ways: &Ways, bind: Option<SocketAddr>, file: Option<std::path::PathBuf>) -> String {
    let Some(possible) = ways.possible.first() else {
        return "This machine has no address in a network that a phone could ask.".into();
    };
    let now = bind.map_or_else(|| "loopback".to_owned(), |bind| bind.to_string());
    let others = ways.possible.iter().skip(1).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let others = if others.is_empty() { String::new() } else { format!(" (or {others})") };
    let file = file.map_or_else(|| "the configuration file".to_owned(), |file| file.display().to_string());
    format!(
        "It listens on {now}, which this machine alone reaches. For a phone, start it with\n\n  --api-bind {possible}\n\n\
         or write into {file}\n\n  [api]\n  bind = \"{possible}\"\n\n\
         {others_line}and start it anew, then ask for a code again. There, reading needs a token too; traffic is not encrypted.",
        others_line = if others.is_empty() { String::new() } else { format!("{}\n", others.trim_start()) },
    )
}

/// Addresses of this machine by which others reach it, as its routes tell.
fn own_addresses() -> Vec<IpAddr> {
    let local = |far: &str| -> Option<IpAddr> {
        let far: IpAddr = far.parse().ok()?;
        let any: SocketAddr = if far.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect((far, 9)).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
    };
    let mut seen = BTreeSet::new();
    FAR_ADDRESSES.iter().filter_map(|far| local(far)).filter(|ip| seen.insert(*ip)).collect()
}

fn style(context: &Context<'_>, ascii: bool) -> Style {
    if ascii || !is_utf8(context.env()) {
        Style::Ascii
    } else if std::io::stdout().is_terminal() && context.colors_output() {
        Style::Coloured
    } else {
        Style::Blocks
    }
}

/// Whether the locale's letters are those of Unicode.
fn is_utf8(env: Env<'_>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env(name));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_phone_is_sent_where_it_finds_the_rig() {
        let own: [IpAddr; 2] = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let loopback = Some(address("127.0.0.1:4077"));
        let ways_of = |asked, bind: &str| ways(asked, Some(address(bind)), &own);
        let everywhere = ways_of(loopback, "0.0.0.0:4077");
        assert_eq!((everywhere.addresses, everywhere.is_closed), (vec![address("192.0.2.7:4077")], false));
        assert_eq!(ways_of(loopback, "[::]:4078").addresses.len(), 2);
        let one = ways_of(loopback, "192.0.2.7:4077");
        assert_eq!((one.addresses, one.is_closed), (vec![address("192.0.2.7:4077")], false));
        let remote = ways_of(Some(address("192.0.2.99:80")), "0.0.0.0:4077");
        assert_eq!(remote.addresses, [address("192.0.2.99:80")]);
        let closed = ways_of(loopback, "127.0.0.1:4077");
        assert!(closed.is_closed);
        let words = how_to_open(&closed, loopback, Some("/etc/rminer.toml".into()));
        for part in [
            "--api-bind 192.0.2.7:4077",
            "bind = \"192.0.2.7:4077\"",
            "/etc/rminer.toml",
            "[2001:db8::7]:4077",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        let alone = ways(loopback, Some(address("0.0.0.0:4077")), &[]);
        assert!(alone.is_closed && how_to_open(&alone, None, None).contains("no address"));
    }

    #[test]
    fn the_locale_says_what_can_be_drawn() {
        for (locale, expected) in
            [("C.UTF-8", true), ("de_DE.utf8", true), ("C", false), ("de_DE@euro", false)]
        {
            assert_eq!(is_utf8(&|name| (name == "LANG").then(|| locale.to_owned())), expected, "{locale}");
        }
        assert!(!is_utf8(&|_| None));
    }
}
