//! Which kernels a card uses: the fastest by a short measurement, or those that somebody named.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Work};

use crate::Variant;
use crate::card::Card;
use crate::fault::Fault;
use crate::part::Part;
use crate::planted;
use crate::runner::Options;
use crate::runner::engine::{Engine, Loaded};

/// Time that one kernel is measured for, once it compiled.
const EACH: Duration = Duration::from_millis(40);
/// Dispatches of less time say little.
const SHORTEST: Duration = Duration::from_millis(4);
/// How much faster several lanes must be to be worth a kernel of their own.
const WORTHWHILE: f64 = 1.01;

/// How kernels are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Picks {
    /// By measuring. Software adapters take the first kernel unmeasured.
    #[default]
    Auto,
    /// By measuring, software too.
    Measured,
    /// The kernel of this name; work that it does not fit is hashed by the best guess of one lane.
    Named(String),
    /// Those that a measurement chose before: of one lane, and of several.
    Known(String, Option<String>),
}

/// Which kernels are in use, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// For work whose version is not rolled.
    pub single: String,
    /// For work whose version is rolled, where several lanes are faster.
    pub several: Option<String>,
    /// What was measured, in the order of the table; empty when nothing was.
    pub measured: Vec<Measured>,
    /// Time that the kernels in use took to compile.
    pub compile: Duration,
}

/// Speed of a kernel on a card.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Headers that it hashes at once.
    pub lanes: u32,
    /// Hashes in a second; none where it could not be compiled.
    pub rate_hs: Option<f64>,
    /// Time to compile it.
    pub compile: Duration,
}

/// Compiles what is chosen, each kernel once; those of fewer lanes first.
pub(crate) fn engines(
    card: &Card,
    software: bool,
    algorithm: &Algorithm,
    variants: &[Arc<Variant>],
    options: &Options,
) -> Result<(Vec<Engine>, Choice), Fault> {
    let able: Vec<Arc<Variant>> =
        variants.iter().filter(|variant| card.can_run(variant)).map(Arc::clone).collect();
    let variants = &able[..];
    let (chosen, measured) = match named(variants, &options.picks)? {
        Some(chosen) => (compiled(card, chosen, options)?, Vec::new()),
        None if software && options.picks != Picks::Measured => {
            (compiled(card, vec![best_guess(variants)?], options)?, Vec::new())
        }
        None => measure_all(card, algorithm, variants, options)?,
    };
    let single = chosen.iter().find(|engine| engine.lanes() == 1).map(|engine| engine.variant.name.clone());
    let single = single.ok_or_else(no_kernel)?;
    let several = chosen.iter().find(|engine| engine.lanes() > 1).map(|engine| engine.variant.name.clone());
    let compile = chosen.iter().map(|engine| engine.ring.compile()).sum();
    Ok((chosen, Choice { single, several, measured, compile }))
}

/// What was named; `None` when it is to be measured.
fn named<'a>(variants: &'a [Arc<Variant>], picks: &Picks) -> Result<Option<Vec<&'a Arc<Variant>>>, Fault> {
    let find = |name: &str| variants.iter().find(|variant| variant.name == name);
    let one = match picks {
        Picks::Auto | Picks::Measured => return Ok(None),
        Picks::Named(name) => {
            let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).collect();
            let found = find(name).ok_or_else(|| {
                Fault::Refused(format!(
                    "there is no kernel `{name}` for this device; there are {}",
                    names.join(", ")
                ))
            })?;
            if found.lanes > 1 { vec![best_guess(variants)?, found] } else { vec![found] }
        }
        // Kernels of another version of the program are not known any more; then it is measured again.
        Picks::Known(single, several) => {
            let several = several.as_ref().map(|name| find(name));
            match (find(single), several) {
                (Some(single), None) => vec![single],
                (Some(single), Some(Some(several))) => vec![single, several],
                _ => return Ok(None),
            }
        }
    };
    Ok(Some(one))
}

fn best_guess(variants: &[Arc<Variant>]) -> Result<&Arc<Variant>, Fault> {
    variants.iter().find(|variant| variant.lanes == 1).ok_or_else(no_kernel)
}

fn no_kernel() -> Fault {
    Fault::Refused("there is no kernel for this algorithm that this device can run".into())
}

fn compiled(card: &Card, chosen: Vec<&Arc<Variant>>, options: &Options) -> Result<Vec<Engine>, Fault> {
    let compile = |variant: &Arc<Variant>| {
        let program = card.program(variant)?;
        Engine::new(card, Arc::clone(variant), program, options.slice)
    };
    chosen.into_iter().map(compile).collect()
}

fn measure_all(
    card: &Card,
    algorithm: &Algorithm,
    variants: &[Arc<Variant>],
    options: &Options,
) -> Result<(Vec<Engine>, Vec<Measured>), Fault> {
    let began = Instant::now();
    let mut measured = Vec::new();
    let mut best: [Option<(f64, Engine)>; 2] = [None, None];
    // Kernels that are only there to be read come into use when nothing else compiles.
    let mut order: Vec<&Arc<Variant>> = variants.iter().filter(|variant| variant.generated).collect();
    order.extend(variants.iter().filter(|variant| !variant.generated));
    for variant in order {
        let place = usize::from(variant.lanes > 1);
        if best[0].is_some() && (!variant.generated || began.elapsed() >= options.measuring) {
            break;
        }
        let started = Instant::now();
        let outcome = compiled(card, vec![variant], options)
            .and_then(|mut engines| engines.pop().ok_or_else(no_kernel))
            .and_then(|mut engine| Ok((measure(card, algorithm, &mut engine)?, engine)));
        let name = variant.name.clone();
        let mut row = Measured { name, lanes: variant.lanes, rate_hs: None, compile: started.elapsed() };
        match outcome {
            Ok((rate, engine)) => {
                (row.rate_hs, row.compile) = (Some(rate), engine.ring.compile());
                if best[place].as_ref().is_none_or(|(best, _)| rate > *best) {
                    best[place] = Some((rate, engine));
                }
            }
            // This one does not compile here; another may.
            Err(Fault::Refused(_)) => {}
            Err(fault) => return Err(fault),
        }
        measured.push(row);
    }
    let [single, several] = best;
    let (rate, single) = single.ok_or_else(no_kernel)?;
    let mut engines = vec![single];
    engines.extend(several.filter(|(several, _)| *several > rate * WORTHWHILE).map(|(_, engine)| engine));
    Ok((engines, measured))
}

/// Hashes in a second, by dispatches that are long enough to tell.
fn measure(card: &Card, algorithm: &Algorithm, engine: &mut Engine) -> Result<f64, Fault> {
    let (work, target) = planted::idle_work(algorithm, engine.lanes() > 1)?;
    let mut job = Loaded::new(0, work, target);
    let (mut made, mut best, mut hashes) = (u64::MAX / 2, 0.0f64, 1u64 << 18);
    let began = Instant::now();
    // The first dispatch only wakes the device and its compiler.
    let mut warm = false;
    while !warm || began.elapsed() < EACH || best == 0.0 {
        let work: &Work = job.work();
        let part = Part::first(work, &(0..work.last_counter()), hashes);
        // One pass is enough: the others are like it.
        let mut dispatches = engine.dispatches(&mut job, &mut made, &part)?;
        dispatches.truncate(1);
        let started = Instant::now();
        let flight = engine.ring.submit(card, &dispatches)?;
        let landed = engine.ring.land(card, flight)?;
        let by_device = landed.span.map(|span| span.beyond(None)).filter(|took| !took.is_zero());
        let took = by_device.unwrap_or_else(|| started.elapsed());
        if !warm {
            warm = true;
            continue;
        }
        let done = f64::from(part.nonces) * f64::from(engine.lanes());
        if took >= SHORTEST || hashes >= 1 << 28 {
            best = best.max(done / took.as_secs_f64().max(1e-9));
        } else {
            hashes = hashes.saturating_mul(4);
        }
    }
    Ok(best)
}
