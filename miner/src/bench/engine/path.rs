//! The whole way of a job, from the last byte of a pool's line to the first hash: a pool in this process on loopback,
//! the client, and the miner.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_pool::{LocalPool, LocalPoolConfig, PoolConfig as LocalConfig, PoolStats};
use rminer_stratum::client::{Client, ClientOptions};
use rminer_stratum::supervisor::Event;
use rminer_stratum::{Credentials, PoolConfig, PoolUrl};
use serde::Serialize;

use super::watched::{Log, Watch};
use super::whole::Feed;
use super::{Measuring, Phase, whole_ms};
use crate::bench::BenchError;
use crate::bench::latency::{Bucket, Times};
use crate::demo::pool_config;
use crate::devices::Chosen;

/// What a job's way to a device took. Its JSON is one object with these names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobPath {
    /// Our name of the algorithm.
    pub algo: &'static str,
    /// The device.
    pub device: String,
    /// Model name.
    pub name: String,
    /// Mining threads.
    pub threads: usize,
    /// How the hashes were computed.
    pub engine: String,
    /// Time from one job of the pool to the next, in milliseconds.
    pub every_ms: u64,
    /// New jobs that a worker hashed for, all workers counted.
    pub taken: usize,
    /// The stages in their order, then what they add up to.
    pub stages: Vec<Stage>,
    /// Hashes per second while that went on.
    pub rate_hs: f64,
    /// Shares that the pool accepted.
    pub accepted: u64,
    /// Shares that it refused, for whatever reason.
    pub refused: u64,
}

/// Times of one stage, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage {
    /// Its name.
    pub stage: &'static str,
    /// Half of all times are not longer.
    pub p50_ms: Option<f64>,
    /// 99 of 100 are not longer.
    pub p99_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
    /// All of them.
    pub times: Vec<Bucket>,
}

impl Stage {
    fn new(stage: &'static str, times: &Times) -> Self {
        Self {
            stage,
            p50_ms: times.percentile_ms(50),
            p99_ms: times.percentile_ms(99),
            max_ms: times.percentile_ms(100),
            times: times.histogram(),
        }
    }
}

fn stages(watch: &Watch) -> Vec<Stage> {
    vec![
        Stage::new("read to job", &watch.read),
        Stage::new("job to workers", &watch.posted),
        Stage::new("end of old slice", &watch.taken),
        Stage::new("preparing", &watch.prepared),
        Stage::new("read to first hash", &watch.hashing),
        Stage::new("read to first slice done", &watch.slice),
    ]
}

impl Measuring<'_> {
    /// Mines for `time` at a pool of our own.
    pub(super) fn path(&self, chosen: &Chosen, time: Duration) -> Result<JobPath, BenchError> {
        let config = LocalConfig {
            job_interval: self.new_job_every,
            block_difficulty: u128::MAX,
            ..pool_config(self.algorithm)
        };
        let mut pool = LocalPool::spawn_thread(LocalPoolConfig::from(config))
            .map_err(|fault| BenchError::Pool(fault.to_string()))?;
        let log = Arc::new(Log::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|fault| BenchError::Thread(fault.to_string()))?;
        let phase = runtime.block_on(self.mine_at(&pool, time, &log))?;
        runtime.shutdown_background();
        pool.stop();
        let watch = log.take();
        let PoolStats { shares, .. } = pool.stats();
        Ok(JobPath {
            algo: self.algorithm.name,
            device: chosen.id.clone(),
            name: chosen.name.clone(),
            threads: chosen.workers,
            engine: chosen.engine.clone(),
            every_ms: whole_ms(self.new_job_every),
            taken: watch.hashing.len(),
            stages: stages(&watch),
            rate_hs: phase.rate_hs(),
            accepted: shares.accepted,
            refused: shares.rejected_total(),
        })
    }

    async fn mine_at(&self, pool: &LocalPool, time: Duration, log: &Arc<Log>) -> Result<Phase, BenchError> {
        let url: PoolUrl = format!("stratum+tcp://{}", pool.addr())
            .parse()
            .map_err(|fault| BenchError::Pool(format!("its own address: {fault}")))?;
        let credentials = Credentials { user: "bench".into(), pass: "x".into(), rig_id: None };
        let pools = vec![PoolConfig::new(url, credentials, self.algorithm)];
        let client = Client::new(pools, ClientOptions::default())
            .map_err(|fault| BenchError::Pool(fault.to_string()))?;
        let tell = |hashes: u64, since: Instant| {
            let seconds = since.elapsed().as_secs_f64();
            self.tell(hashes, since, hashes as f64 / seconds.max(f64::EPSILON));
        };
        self.mine(client, time, log, tell).await
    }
}

impl Feed for Client {
    async fn next(&mut self) -> Result<Event, BenchError> {
        Ok(self.next().await)
    }
}
