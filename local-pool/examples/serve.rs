//! Serves a pool until the standard input ends. Each line from there is a fault to commit; an empty line
//! prints the statistics.
//!
//! `cargo run -p rminer-pool --example serve -- 127.0.0.1:3333 [PROFILE [DIFFICULTY]]`

use std::error::Error;
use std::io::BufRead;

use rminer_pool::{DifficultyConfig, LocalPool, LocalPoolConfig, PoolConfig, Profile, ScheduledFault};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:3333".into()).parse()?;
    let name = arguments.next().unwrap_or_else(|| "default".into());
    let profile = Profile::by_name(&name).ok_or_else(|| {
        let names: Vec<_> = Profile::all().iter().map(|profile| profile.name).collect();
        format!("no profile `{name}`; known: {}", names.join(", "))
    })?;
    let difficulty = arguments.next().unwrap_or_else(|| "100".into()).parse()?;
    let pool = LocalPool::spawn_thread(LocalPoolConfig {
        pool: PoolConfig {
            difficulty: DifficultyConfig::fixed(difficulty),
            ..PoolConfig::with_profile(profile)
        },
        listen,
        ..LocalPoolConfig::default()
    })?;
    println!("{name} pool at {}", pool.addr());
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
