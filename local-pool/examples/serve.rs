//! Serves a pool until the standard input ends. Each line from there is a fault to commit; an empty line
//! prints the statistics.
//!
//! `cargo run -p rminer-pool --example serve -- 127.0.0.1:3333 [monero|bitcoin|kaspa [PROFILE [DIFFICULTY]]]`

use std::error::Error;
use std::io::BufRead;

use rminer_pool::{
    DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, Profile, ScheduledFault, bitcoin, kaspa, monero,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:3333".into()).parse()?;
    let protocol = arguments.next().unwrap_or_else(|| "monero".into());
    let name = arguments.next().unwrap_or_else(|| "default".into());
    let difficulty = arguments.next();
    let (profile, hashes) = match protocol.as_str() {
        "monero" => (monero(&name)?, difficulty.as_deref().unwrap_or("100").parse()?),
        "bitcoin" => (bitcoin(&name)?, bitcoin::hashes(difficulty.as_deref().unwrap_or("0.01").parse()?)),
        "kaspa" => (kaspa(&name)?, kaspa::hashes(difficulty.as_deref().unwrap_or("0.001").parse()?)),
        other => return Err(format!("no protocol `{other}`; known: monero, bitcoin, kaspa").into()),
    };
    let pool = LocalPool::spawn_thread(LocalPoolConfig {
        pool: PoolConfig { difficulty: DifficultyConfig::fixed(hashes), ..PoolConfig::with_profile(profile) },
        listen,
        ..LocalPoolConfig::default()
    })?;
    println!("{protocol} pool {name} at {}", pool.addr());
    for line in std::io::stdin().lock().lines() {
        match line?.trim() {
            "" => println!("{}", serde_json::to_string_pretty(&pool.stats())?),
            text => match text.parse::<ScheduledFault>() {
                Ok(fault) => pool.set_fault(fault),
                Err(error) => eprintln!("{error}"),
            },
        }
    }
    println!("{}", serde_json::to_string_pretty(&pool.stats())?);
    Ok(())
}

fn monero(name: &str) -> Result<Profile, String> {
    let known = monero::Profile::all().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ");
    let profile = monero::Profile::by_name(name).ok_or(format!("no profile `{name}`; known: {known}"))?;
    Ok(profile.into())
}

fn bitcoin(name: &str) -> Result<Profile, String> {
    let known = bitcoin::Profile::all().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ");
    let profile = bitcoin::Profile::by_name(name).ok_or(format!("no profile `{name}`; known: {known}"))?;
    Ok(profile.into())
}

fn kaspa(name: &str) -> Result<Profile, String> {
    let known = kaspa::Profile::all().iter().map(|profile| profile.name).collect::<Vec<_>>().join(", ");
    let profile = kaspa::Profile::by_name(name).ok_or(format!("no profile `{name}`; known: {known}"))?;
    Ok(profile.into())
}
