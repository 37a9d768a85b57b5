//! What to run first on a new card: is the kernel as fast as the card can be, and which variant is the fastest?
//!
//! In this order for SHA-256d: the calibration kernel and the CUDA twin; the WGSL kernel and its ratio to the twin;
//! other spellings of a rotation; additions on the multiply pipe and several headers; workgroups and nonces for each
//! invocation. For kHeavyHash: the best guess beside its CUDA twin; how many rounds and rows stand in the text; widths
//! of lanes; how theta and the product are spelled; workgroups. Then the readable kernel, and the runner with a new job
//! every 100 ms. Every kernel must find a known hit first. What needs a tool that is missing is skipped with a message.
//! Everything takes less than ten minutes.

mod cuda;
mod kheavyhash;
mod known;
mod measure;
mod nvidia;
mod product;
mod report;
mod sha256d;
mod wgsl;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use rminer_benches::cpuminer::{self, Cpuminer};
use rminer_shaders::Variant;

use crate::known::Known;
use crate::measure::{Row, Subject, in_turns};
use crate::report::{Group, Peer, Report};

/// Nothing new is begun after this.
const BUDGET: Duration = Duration::from_secs(540);
/// Runs of another miner on the processor, each with one of ours.
const PAIRS: usize = 5;

#[derive(Parser)]
#[command(about = "Kernels on a card: rates, ratios and limits (CPUMINER=path compares software devices)")]
struct Arguments {
    /// Whose kernels
    #[arg(long, value_enum, default_value_t = Algorithm::Sha256d)]
    algo: Algorithm,
    /// Number of the adapter; the first one that is hardware otherwise
    #[arg(long)]
    adapter: Option<usize>,
    /// Folder for CUDA sources and their binaries
    #[arg(long, value_name = "DIR", default_value = "target/gpu-first-run")]
    cuda: PathBuf,
    /// Only write the CUDA sources, and compile them for this architecture where `nvcc` is, to carry them elsewhere
    #[arg(long, value_name = "ARCH", num_args = 0..=1, default_missing_value = "sm_90")]
    emit: Option<String>,
    /// Rounds of each comparison; medians count
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds of each kernel in each round
    #[arg(long, default_value_t = 400)]
    milliseconds: u64,
    /// Write PATH.json and PATH.md
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.cuda)
        .with_context(|| format!("making {}", arguments.cuda.display()))?;
    let twins = arguments.algo.twins();
    write_sources(&twins, &arguments.cuda)?;
    println!("CUDA sources are in {}", arguments.cuda.display());
    if let Some(architecture) = &arguments.emit {
        return emit(&twins, &arguments.cuda, architecture);
    }
    let report = run(&arguments, &twins)?;
    let text = report.markdown();
    println!("{text}");
    if let Some(path) = &arguments.out {
        let json = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(path.with_extension("json"), json)?;
        std::fs::write(path.with_extension("md"), text)?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    Sha256d,
    Kheavyhash,
}

impl Algorithm {
    /// Names and CUDA C of everything that has a twin.
    fn twins(self) -> Vec<(String, String)> {
        match self {
            Self::Sha256d => sha256d::twins(),
            Self::Kheavyhash => kheavyhash::twins(),
        }
    }

    fn known(self) -> Result<Known> {
        match self {
            Self::Sha256d => Known::sha256d(),
            Self::Kheavyhash => Known::kheavyhash(),
        }
    }
}

fn write_sources(twins: &[(String, String)], folder: &Path) -> Result<()> {
    for (name, text) in twins {
        let path = folder.join(format!("{name}.cu"));
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn emit(twins: &[(String, String)], folder: &Path, architecture: &str) -> Result<()> {
    let Some(nvcc) = cuda::compiler() else {
        println!("SKIPPED: no `nvcc` in PATH, and NVCC names none: nothing is compiled");
        return Ok(());
    };
    for (name, _) in twins {
        cuda::compile(&nvcc, folder, name, architecture)?;
    }
    println!("compiled for {architecture}; carry the folder and name it with --cuda");
    Ok(())
}

/// The session: what is open, and what was found so far.
struct Session<'a> {
    known: Known,
    variants: Vec<Variant>,
    device: &'a wgsl::Device,
    driver: Option<&'a cuda::Driver>,
    arguments: &'a Arguments,
    began: Instant,
    skipped: Vec<String>,
    groups: Vec<Group>,
}

fn run(arguments: &Arguments, twins: &[(String, String)]) -> Result<Report> {
    let began = Instant::now();
    let device = wgsl::Device::open(arguments.adapter)?;
    println!("{}, {}", device.name, device.driver);
    let known = arguments.algo.known()?;
    let able = |variant: &Variant| device.int64 || !variant.needs_int64;
    let variants: Vec<Variant> =
        rminer_shaders::variants(known.algorithm.name).into_iter().filter(able).collect();
    let best = variants.first().context("no kernel")?;
    let start = device.compile(&source(best, &known.job(best)?))?.start;
    let mut skipped = Vec::new();
    let driver = match open_cuda(twins, &arguments.cuda) {
        Ok(driver) => Some(driver),
        Err(error) => {
            skipped.push(format!("CUDA twins and the calibration kernel in CUDA: {error:#}"));
            None
        }
    };
    let (driver_here, groups) = (driver.as_ref(), Vec::new());
    let mut session =
        Session { known, variants, device: &device, driver: driver_here, arguments, began, skipped, groups };
    match arguments.algo {
        Algorithm::Sha256d => session.sha256d()?,
        Algorithm::Kheavyhash => session.kheavyhash()?,
    }
    session.reference()?;
    let product = session.product();
    let peer = session.peer();
    let Session { skipped, groups, .. } = session;
    Ok(Report {
        device: device.name.clone(),
        driver: device.driver.clone(),
        software: device.software,
        nvidia: nvidia::Watch::begin().end(),
        multiprocessors: driver.as_ref().map(|driver| driver.multiprocessors),
        start_wall_ms: start.0.as_secs_f64() * 1e3,
        start_cpu_ms: start.1.as_secs_f64() * 1e3,
        groups,
        product,
        peer,
        skipped,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The driver, with all twins compiled for its card where a compiler is.
fn open_cuda(twins: &[(String, String)], folder: &Path) -> Result<cuda::Driver> {
    let driver = cuda::Driver::open()?;
    println!("CUDA: {}, {}, {} multiprocessors", driver.name, driver.architecture, driver.multiprocessors);
    if let Some(nvcc) = cuda::compiler() {
        for (name, _) in twins {
            cuda::compile(&nvcc, folder, name, &driver.architecture)?;
        }
    }
    Ok(driver)
}

impl Session<'_> {
    /// Kernels in turns, each behind its twin if it has one. Those that need what the device lacks are left out.
    fn compare(&mut self, title: &'static str, variants: Vec<Variant>, with_twins: bool) -> Result<()> {
        if self.late(title) {
            return Ok(());
        }
        let mut built = Vec::with_capacity(variants.len());
        for variant in variants {
            if variant.needs_int64 && !self.device.int64 {
                self.skip(format!("{}: the device has no 64-bit integers", variant.name));
                continue;
            }
            let job = self.known.job(&variant)?;
            built.push((variant, job));
        }
        let (mut kernels, mut loaded) = (Vec::new(), Vec::new());
        for (variant, job) in &built {
            let kernel = self.device.compile(&source(variant, job))?;
            self.known.check(&variant.name, variant.lanes, |first, count| kernel.search(first, count))?;
            kernels.push(kernel);
            let twin = self.driver.filter(|_| with_twins).map(|driver| {
                let (name, lanes) = (variant.name.as_str(), variant.lanes);
                let (block, each) = (variant.workgroup_size, variant.nonces_per_invocation);
                let mut twin = driver.load(&self.arguments.cuda, name, lanes, block, each, job)?;
                self.known
                    .check(&format!("{name} (CUDA)"), lanes, |first, count| twin.search(first, count))?;
                Ok(twin)
            });
            loaded.push(self.keep(twin));
        }
        let mut subjects: Vec<&mut dyn Subject> = Vec::new();
        for (kernel, twin) in kernels.iter_mut().zip(&mut loaded) {
            subjects.extend(twin.as_mut().map(|twin| twin as &mut dyn Subject));
            subjects.push(kernel);
        }
        self.measure(title, &mut subjects)
    }

    fn reference(&mut self) -> Result<()> {
        let title = "The readable kernel, and the generated one";
        let readable = self.variants.iter().find(|variant| !variant.generated);
        let both = readable.into_iter().chain(self.variants.first()).cloned().collect();
        self.compare(title, both, false)
    }

    fn product(&mut self) -> Option<product::Product> {
        if self.late("the runner") {
            return None;
        }
        let works = |number| self.known.other_work(number);
        match product::run(&self.device.name, self.known.algorithm, works, Duration::from_secs(10)) {
            Ok(product) => Some(product),
            Err(error) => {
                self.skip(format!("the runner: {error:#}"));
                None
            }
        }
    }

    /// A miner for processors, in turns with ours.
    fn peer(&mut self) -> Option<Peer> {
        if !self.device.software || self.arguments.algo != Algorithm::Sha256d {
            return None;
        }
        let Some(program) = std::env::var_os("CPUMINER") else {
            self.skip("comparison with cpuminer-opt: CPUMINER names no program");
            return None;
        };
        match self.pairs(&Cpuminer { program: program.into() }) {
            Ok(peer) => Some(peer),
            Err(error) => {
                self.skip(format!("comparison with cpuminer-opt: {error:#}"));
                None
            }
        }
    }

    fn pairs(&self, cpuminer: &Cpuminer) -> Result<Peer> {
        let version = cpuminer.version()?;
        println!("Beside {version}");
        let variant = self.variants.first().context("no kernel")?;
        let job = self.known.job(variant)?;
        let mut ours = self.device.compile(&source(variant, &job))?;
        ours.prepare()?;
        let (time, mut pairs) = (Duration::from_secs(5), Vec::new());
        for number in 0..PAIRS {
            // Whoever is first may have the other's heat; so they take turns.
            let first = if number % 2 == 1 { Some(cpuminer.rate_hs(time)?) } else { None };
            let ours_hs = ours.run(time)?.best_hs();
            let theirs_hs = first.map_or_else(|| cpuminer.rate_hs(time), Ok)?;
            println!("  {:.2} / {:.2} MH per CPU s", ours_hs / 1e6, theirs_hs / 1e6);
            pairs.push((ours_hs, theirs_hs));
        }
        let command = format!("cpuminer {}", cpuminer::ARGUMENTS.join(" "));
        Ok(Peer { version, command, pairs })
    }

    fn measure(&mut self, title: &'static str, subjects: &mut [&mut dyn Subject]) -> Result<()> {
        let each = Duration::from_millis(self.arguments.milliseconds);
        let rows: Vec<Row> = in_turns(subjects, self.arguments.rounds.max(1), each)?;
        println!("{title}");
        for row in &rows {
            println!("  {:<24} {:>10.2} MH/s", row.name, row.rate.best_hs() / 1e6);
        }
        self.groups.push(Group { title, rows });
        Ok(())
    }

    /// What could be loaded; the reason why not goes into the report.
    fn keep<T>(&mut self, loaded: Option<Result<T>>) -> Option<T> {
        match loaded? {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                self.skip(format!("{error:#}"));
                None
            }
        }
    }

    fn late(&mut self, what: &str) -> bool {
        let late = self.began.elapsed() > BUDGET;
        if late {
            self.skip(format!("{what}: the time is up"));
        }
        late
    }

    fn skip(&mut self, what: impl Into<String>) {
        let what = what.into();
        println!("SKIPPED: {what}");
        self.skipped.push(what);
    }
}

fn source<'a>(variant: &'a Variant, job: &'a [u32]) -> wgsl::Source<'a> {
    wgsl::Source {
        name: variant.name.clone(),
        text: &variant.text,
        generated: variant.generated,
        lanes: variant.lanes,
        group: variant.workgroup_size * variant.nonces_per_invocation,
        job,
    }
}
