//! Our engine, in a process of its own.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use rminer::bench::{self, BenchLength};
use rminer::config::{CpuSettings, RandomxEngine};
use rminer_algos::Variant;

use super::{Measurement, Run};

/// Runs the benchmark here and prints its result as JSON.
pub(crate) fn run_here(run: &Run, hashes: Option<u64>) -> Result<()> {
    let randomx_engine = match run.engine.as_str() {
        "native" => RandomxEngine::Native,
        "reference" => RandomxEngine::Reference,
        _ => RandomxEngine::Auto,
    };
    let affinity = Some(run.pus()?);
    let cpu = CpuSettings { affinity, randomx_engine, randomx_lanes: run.lanes, ..CpuSettings::default() };
    let variant = if run.algo == "rx/2" { Variant::V2 } else { Variant::V1 };
    let length = hashes.map_or(BenchLength::Time(run.time()), BenchLength::Hashes);
    let tell = |told| {
        if let bench::BenchProgress::Notice(rminer::devices::Notice::Warning(warning)) = told {
            eprintln!("{warning}");
        }
    };
    let result = bench::randomx::run(&cpu, variant, length, &(Arc::new(tell) as _), &AtomicBool::new(false))?;
    println!("{}", serde_json::to_string(&result)?);
    Ok(())
}

/// Runs this program again as above, so that memory and processor time are those of one run alone.
pub(crate) fn run(run: &Run) -> Result<Measurement> {
    #[derive(serde::Deserialize)]
    struct Told {
        rate_hs: f64,
        hashes: u64,
        cpu_seconds: f64,
        init_ms: u64,
        first_hash_ms: u64,
        vms_per_thread: u32,
        engine: String,
        memory_kib: Option<u64>,
        hugepages_have: u32,
        hugepages_want: u32,
    }
    let output = Command::new(std::env::current_exe()?)
        .arg("ours")
        .args(run.arguments())
        .stderr(Stdio::inherit())
        .output()
        .context("our own run")?;
    if !output.status.success() {
        bail!("our own run ended with {}", output.status);
    }
    let result: Told = serde_json::from_slice(&output.stdout).context("our own result")?;
    Ok(Measurement {
        rate_hs: result.rate_hs,
        cpu_rate_hs: result.hashes as f64 / result.cpu_seconds,
        init_ms: result.init_ms,
        memory_ms: None,
        first_hash_ms: result.first_hash_ms,
        engine: Some(format!("{}, {} at once", result.engine, result.vms_per_thread)),
        memory_kib: result.memory_kib.context("this system does not tell the memory of a process")?,
        huge_pages: Some((result.hugepages_have, result.hugepages_want)),
    })
}
