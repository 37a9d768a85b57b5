//! What to run first on a new card: is the kernel as fast as the card can be, and which variant is the fastest?
//!
//! In this order: the calibration kernel and the CUDA twin; the WGSL kernel and its ratio to the twin; other spellings
//! of a rotation; additions on the multiply pipe and several headers; workgroups and nonces for each invocation; the
//! readable kernel; the runner with a new job every 100 ms. Every kernel must find a known block first. What needs a
//! tool that is missing is skipped with a message. Everything takes less than ten minutes.

mod cuda;
mod measure;
mod nvidia;
mod peer;
mod product;
mod report;
mod wgsl;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rminer_algos::{NonceField, Target, Work, decode_hex, registry, sha256d};
use rminer_shaders::Variant;
use rminer_shaders::abi::Results;
use rminer_shaders::generator::{Rotate, Sums};
use rminer_shaders::kernels::sha256d::{Shape, calibration::calibration};

use crate::measure::{Row, Subject, in_turns};
use crate::report::{Group, Peer, Report};

/// Nothing new is begun after this.
const BUDGET: Duration = Duration::from_secs(540);
/// Version bits that BIP 320 leaves to miners.
const VERSION_MASK: u32 = 0x1FFF_E000;

#[derive(Parser)]
#[command(
    about = "SHA-256d kernels on a card: rates, ratios and limits (CPUMINER=path compares software devices)"
)]
struct Arguments {
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
    write_sources(&arguments.cuda)?;
    println!("CUDA sources are in {}", arguments.cuda.display());
    if let Some(architecture) = &arguments.emit {
        return emit(&arguments.cuda, architecture);
    }
    let report = run(&arguments)?;
    let text = report.markdown();
    println!("{text}");
    if let Some(path) = &arguments.out {
        let json = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(path.with_extension("json"), json)?;
        std::fs::write(path.with_extension("md"), text)?;
    }
    Ok(())
}

/// Everything that has a twin in CUDA C.
fn twins() -> Vec<Shape> {
    let shape = Shape::default();
    let multiply = Shape { sums: Sums::MultiplyAdd, ..shape };
    vec![
        shape,
        multiply,
        Shape { lanes: 2, ..shape },
        Shape { lanes: 4, ..shape },
        Shape { lanes: 2, ..multiply },
        Shape { lanes: 4, ..multiply },
    ]
}

fn write_sources(folder: &Path) -> Result<()> {
    let sources = twins().into_iter().map(|shape| (shape.name(), shape.cuda()));
    for (name, text) in sources.chain([("calibration".to_owned(), calibration(256).cuda)]) {
        let path = folder.join(format!("{name}.cu"));
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn emit(folder: &Path, architecture: &str) -> Result<()> {
    let Some(nvcc) = cuda::compiler() else {
        println!("SKIPPED: no `nvcc` in PATH, and NVCC names none: nothing is compiled");
        return Ok(());
    };
    for name in twins().iter().map(Shape::name).chain(["calibration".to_owned()]) {
        cuda::compile(&nvcc, folder, &name, architecture)?;
    }
    println!("compiled for {architecture}; carry the folder and name it with --cuda");
    Ok(())
}

/// The session: what is open, and what was found so far.
struct Session<'a> {
    device: &'a wgsl::Device,
    driver: Option<&'a cuda::Driver>,
    arguments: &'a Arguments,
    began: Instant,
    skipped: Vec<String>,
    groups: Vec<Group>,
}

fn run(arguments: &Arguments) -> Result<Report> {
    let began = Instant::now();
    let device = wgsl::Device::open(arguments.adapter)?;
    println!("{}, {}", device.name, device.driver);
    let (variant, job) = with_job(Shape::default().variant())?;
    let start = device.compile(&source(&variant, &job))?.start;
    let mut skipped = Vec::new();
    let driver = match open_cuda(&arguments.cuda) {
        Ok(driver) => Some(driver),
        Err(error) => {
            skipped.push(format!("CUDA twins and the calibration kernel in CUDA: {error:#}"));
            None
        }
    };
    let mut session =
        Session { device: &device, driver: driver.as_ref(), arguments, began, skipped, groups: Vec::new() };
    session.kernels()?;
    let product = session.product();
    let peer = session.peer()?;
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
fn open_cuda(folder: &Path) -> Result<cuda::Driver> {
    let driver = cuda::Driver::open()?;
    println!("CUDA: {}, {}, {} multiprocessors", driver.name, driver.architecture, driver.multiprocessors);
    if let Some(nvcc) = cuda::compiler() {
        for name in twins().iter().map(Shape::name).chain(["calibration".to_owned()]) {
            cuda::compile(&nvcc, folder, &name, &driver.architecture)?;
        }
    }
    Ok(driver)
}

impl Session<'_> {
    /// All comparisons, in the order in which their answers are needed.
    fn kernels(&mut self) -> Result<()> {
        let shape = Shape::default();
        self.calibrate()?;
        self.shapes("One header, beside its CUDA twin", &[shape], true)?;
        let rotations = [Rotate::Add, Rotate::Xor, Rotate::Insert, Rotate::Wide];
        let mut spelled = vec![shape];
        spelled.extend(rotations.into_iter().map(|rotate| Shape { rotate, ..shape }));
        if !self.device.int64 {
            self.skip("rotation by 64-bit integers: the device has none");
            spelled.pop();
        }
        self.shapes("Spellings of a rotation", &spelled, false)?;
        self.shapes("Additions on the multiply pipe; 2 and 4 headers", &twins(), true)?;
        let mut frames = vec![shape];
        frames.extend([64, 128].map(|workgroup_size| Shape { workgroup_size, ..shape }));
        frames.extend([4, 16].map(|nonces_per_invocation| Shape { nonces_per_invocation, ..shape }));
        let most = Shape { lanes: 4, sums: Sums::MultiplyAdd, ..shape };
        frames.extend([most, Shape { workgroup_size: 64, ..most }, Shape { workgroup_size: 128, ..most }]);
        self.shapes("Workgroups, and nonces for each invocation", &frames, false)?;
        self.reference()
    }

    fn calibrate(&mut self) -> Result<()> {
        let calibration = calibration(256);
        let mut kernel = self.device.compile(&wgsl::Source {
            name: "calibration".into(),
            text: &calibration.wgsl,
            generated: true,
            lanes: 1,
            group: 256,
            job: &calibration.job_words,
        })?;
        let mut subjects: Vec<&mut dyn Subject> = Vec::new();
        let loaded = self.driver.map(|driver| {
            driver.load(&self.arguments.cuda, "calibration", 1, 256, 1, &calibration.job_words)
        });
        let mut twin = self.keep(loaded);
        subjects.extend(twin.as_mut().map(|twin| twin as &mut dyn Subject));
        subjects.push(&mut kernel);
        self.measure("Calibration: the work of hashcat's mode 1400", &mut subjects)
    }

    /// Kernels of these shapes in turns, each behind its twin if it has one.
    fn shapes(&mut self, title: &'static str, shapes: &[Shape], with_twins: bool) -> Result<()> {
        if self.late(title) {
            return Ok(());
        }
        let built: Vec<_> = shapes.iter().map(|shape| with_job(shape.variant())).collect::<Result<_>>()?;
        let (mut kernels, mut loaded) = (Vec::new(), Vec::new());
        for (variant, job) in &built {
            let kernel = self.device.compile(&source(variant, job))?;
            check(&variant.name, |first, count| kernel.search(first, count), variant.lanes)?;
            kernels.push(kernel);
            let twin = self.driver.filter(|_| with_twins).map(|driver| {
                let (name, lanes) = (variant.name.as_str(), variant.lanes);
                let (block, each) = (variant.workgroup_size, variant.nonces_per_invocation);
                let mut twin = driver.load(&self.arguments.cuda, name, lanes, block, each, job)?;
                check(name, |first, count| twin.search(first, count), lanes)?;
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
        if self.late(title) {
            return Ok(());
        }
        let (reference, reference_job) = with_job(named("reference")?)?;
        let (generated, job) = with_job(Shape::default().variant())?;
        let mut slow = self.device.compile(&source(&reference, &reference_job))?;
        check("reference", |first, count| slow.search(first, count), 1)?;
        let mut fast = self.device.compile(&source(&generated, &job))?;
        self.measure(title, &mut [&mut slow, &mut fast])
    }

    fn product(&mut self) -> Option<product::Product> {
        if self.late("the runner") {
            return None;
        }
        let (header, _) = block().ok()?;
        let works = |number: u32| {
            let mut header = header.clone();
            header[36..40].copy_from_slice(&number.to_le_bytes());
            work(&header)
        };
        match product::run(&self.device.name, works, Duration::from_secs(10)) {
            Ok(product) => Some(product),
            Err(error) => {
                self.skip(format!("the runner: {error:#}"));
                None
            }
        }
    }

    /// A miner for processors before and after the same time of ours.
    fn peer(&mut self) -> Result<Option<Peer>> {
        if !self.device.software {
            return Ok(None);
        }
        let Ok(program) = std::env::var("CPUMINER") else {
            self.skip("comparison with cpuminer-opt: CPUMINER names no program");
            return Ok(None);
        };
        let seconds = 15;
        let (variant, job) = with_job(Shape::default().variant())?;
        let mut ours = self.device.compile(&source(&variant, &job))?;
        ours.prepare()?;
        let before = peer::rate(&program, seconds)?;
        let rate = ours.run(Duration::from_secs(u64::from(seconds)))?;
        let after = peer::rate(&program, seconds)?;
        let command = format!("cpuminer {} {seconds}", peer::ARGUMENTS);
        Ok(Some(Peer { command, rates_hs: [before, after], ours_hs: rate.best_hs() }))
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

/// Header of the last block of the vectors, and its nonce.
fn block() -> Result<(Vec<u8>, u32)> {
    let vectors: serde_json::Value = serde_json::from_str(registry::SHA256D.vectors)?;
    let block = vectors["blocks"].as_array().and_then(|blocks| blocks.last()).context("no vectors")?;
    let header = decode_hex(block["header"].as_str().context("a header")?)?;
    let nonce = header.get(76..).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    Ok((header, nonce.context("a header of 80 bytes")?))
}

fn work(header: &[u8]) -> Result<Work> {
    let field = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
    Ok(Work::new(header, field, None)?.with_version_mask(VERSION_MASK)?)
}

fn with_job(variant: Variant) -> Result<(Variant, Vec<u32>)> {
    let job = job(&variant)?;
    Ok((variant, job))
}

/// Of the known block, with 32 zero bits as target: so hits are few and rates are of hashing alone.
fn job(variant: &Variant) -> Result<Vec<u32>> {
    let mut target = [0xFF; 32];
    target[28..].fill(0);
    let target = Target::from_le_bytes(target).context("a target")?;
    Ok(variant.job_words(&work(&block()?.0)?, target, 0)?)
}

fn named(name: &str) -> Result<Variant> {
    let found =
        rminer_shaders::variants(registry::SHA256D.name).into_iter().find(|variant| variant.name == name);
    found.with_context(|| format!("no kernel {name}"))
}

/// A kernel must find the known block, and only that, before its speed counts.
fn check(name: &str, mut search: impl FnMut(u64, u32) -> Result<Results>, lanes: u32) -> Result<()> {
    let (header, nonce) = block()?;
    ensure!(sha256d::sha256d(&header)[28..] == [0; 4], "the vector is no block");
    let results = search(u64::from(nonce - 5000), 10_000)?;
    ensure!(results.hits() == [5000 * lanes], "{name} computes wrongly: {:?}", results.hits());
    Ok(())
}
