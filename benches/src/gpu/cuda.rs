//! The CUDA twins: sources for files, their compiler, and the driver's own interface to run them.
//!
//! The driver's library is loaded when there is one; nothing is linked. Without a compiler, binaries that were made
//! before are taken from the same folder (`NAME.cubin` for this card, else `NAME.ptx`).

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use bytemuck::Zeroable;
use libloading::Library;
use rminer_shaders::abi::{self, Parameters, Results};

use crate::measure::{Rate, Subject};

/// Launches are made this long.
const LAUNCH: Duration = Duration::from_millis(50);
const COMPUTE_CAPABILITY_MAJOR: c_int = 75;
const COMPUTE_CAPABILITY_MINOR: c_int = 76;
const MULTIPROCESSORS: c_int = 16;

/// Path of the compiler, `NVCC` or else from the search path.
pub(crate) fn compiler() -> Option<PathBuf> {
    let nvcc = PathBuf::from(std::env::var_os("NVCC").unwrap_or_else(|| "nvcc".into()));
    Command::new(&nvcc).arg("--version").output().ok().filter(|output| output.status.success()).map(|_| nvcc)
}

/// Compiles `NAME.cu` in `folder` to `NAME.cubin` for an architecture such as `sm_90`.
pub(crate) fn compile(nvcc: &Path, folder: &Path, name: &str, architecture: &str) -> Result<()> {
    let (source, binary) = (folder.join(format!("{name}.cu")), folder.join(format!("{name}.cubin")));
    let output = Command::new(nvcc)
        .args(["-cubin", &format!("-arch={architecture}"), "-o"])
        .args([&binary, &source])
        .output()
        .context("starting nvcc")?;
    if !output.status.success() {
        bail!("nvcc refuses {}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// The driver with the first card's context.
pub(crate) struct Driver {
    library: Library,
    pub(crate) name: String,
    pub(crate) architecture: String,
    pub(crate) multiprocessors: u32,
}

/// A loaded kernel.
pub(crate) struct Kernel<'a> {
    driver: &'a Driver,
    name: String,
    lanes: u32,
    block: u32,
    /// Nonces of one block.
    group: u32,
    function: *mut c_void,
    results: u64,
    nonces: u32,
}

type Status = c_int;

/// Calls a function of the driver by its name; its parameters' types are the arguments'.
macro_rules! call {
    ($driver:expr, $name:literal, $($argument:expr => $type:ty),*) => {{
        // SAFETY: the types are those of the function's declaration in cuda.h.
        let function = unsafe { $driver.get::<unsafe extern "C" fn($($type),*) -> Status>($name) };
        let function = function.with_context(|| format!("libcuda lacks {}", String::from_utf8_lossy($name)))?;
        // SAFETY: pointers among the arguments are to memory that lives through the call, of the size that the driver
        // reads or writes there.
        match unsafe { function($($argument),*) } {
            0 => Ok(()),
            status => Err(anyhow!("{} fails with status {status}", String::from_utf8_lossy($name))),
        }
    }};
}

impl Driver {
    /// Loads the driver and takes its first card.
    pub(crate) fn open() -> Result<Self> {
        let file = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
        // SAFETY: the driver's library runs no code that depends on this program when it is loaded.
        let library =
            unsafe { Library::new(file) }.with_context(|| format!("no CUDA driver: loading {file}"))?;
        call!(library, b"cuInit", 0 => c_uint)?;
        let mut device: c_int = 0;
        call!(library, b"cuDeviceGet", &raw mut device => *mut c_int, 0 => c_int)?;
        let mut name = [0 as c_char; 256];
        call!(library, b"cuDeviceGetName", name.as_mut_ptr() => *mut c_char, 255 => c_int, device => c_int)?;
        // SAFETY: the driver ends the name with a zero, and the last byte is one in any case.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
        let attribute = |which: c_int| -> Result<c_int> {
            let mut value: c_int = 0;
            call!(library, b"cuDeviceGetAttribute", &raw mut value => *mut c_int, which => c_int, device => c_int)?;
            Ok(value)
        };
        let major = attribute(COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(COMPUTE_CAPABILITY_MINOR)?;
        let multiprocessors = u32::try_from(attribute(MULTIPROCESSORS)?).unwrap_or(0);
        let mut context: *mut c_void = ptr::null_mut();
        call!(library, b"cuDevicePrimaryCtxRetain", &raw mut context => *mut *mut c_void, device => c_int)?;
        call!(library, b"cuCtxSetCurrent", context => *mut c_void)?;
        Ok(Self { library, name, architecture: format!("sm_{major}{minor}"), multiprocessors })
    }

    /// Loads `NAME.cubin`, or `NAME.ptx` for the driver to compile, and gives it its job.
    pub(crate) fn load(
        &self,
        folder: &Path,
        name: &str,
        lanes: u32,
        block: u32,
        each: u32,
        job: &[u32],
    ) -> Result<Kernel<'_>> {
        let candidates = [folder.join(format!("{name}.cubin")), folder.join(format!("{name}.ptx"))];
        let path = candidates.iter().find(|path| path.exists());
        let path = path.with_context(|| format!("neither nvcc nor {} is there", candidates[0].display()))?;
        let mut image = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        // A text must end with a zero; a binary does not mind.
        image.push(0);
        let library = &self.library;
        let mut module: *mut c_void = ptr::null_mut();
        call!(library, b"cuModuleLoadData", &raw mut module => *mut *mut c_void, image.as_ptr().cast() => *const c_void)
            .with_context(|| format!("loading {}", path.display()))?;
        let mut function: *mut c_void = ptr::null_mut();
        let entry = CString::new("main_kernel")?;
        call!(library, b"cuModuleGetFunction",
            &raw mut function => *mut *mut c_void, module => *mut c_void, entry.as_ptr() => *const c_char)?;
        let (mut words, mut bytes) = (0u64, 0usize);
        let symbol = CString::new("job")?;
        call!(library, b"cuModuleGetGlobal_v2",
            &raw mut words => *mut u64, &raw mut bytes => *mut usize, module => *mut c_void, symbol.as_ptr() => *const c_char)?;
        if bytes != size_of_val(job) {
            bail!("{} has room for {bytes} bytes of a job, not for {}", path.display(), size_of_val(job));
        }
        call!(library, b"cuMemcpyHtoD_v2",
            words => u64, job.as_ptr().cast() => *const c_void, bytes => usize)?;
        let mut results = 0u64;
        call!(library, b"cuMemAlloc_v2", &raw mut results => *mut u64, size_of::<Results>() => usize)?;
        let mut kernel = Kernel {
            driver: self,
            name: format!("{name} (CUDA)"),
            lanes,
            block,
            group: block * each,
            function,
            results,
            nonces: 1 << 20,
        };
        kernel.clear()?;
        Ok(kernel)
    }
}

impl Kernel<'_> {
    /// The candidates of one launch.
    pub(crate) fn search(&mut self, first_nonce: u64, count: u32) -> Result<Results> {
        self.clear()?;
        self.launch(first_nonce, count)?;
        self.wait()?;
        let mut results = Results::zeroed();
        let to = bytemuck::bytes_of_mut(&mut results);
        call!(self.driver.library, b"cuMemcpyDtoH_v2",
            to.as_mut_ptr().cast() => *mut c_void, self.results => u64, to.len() => usize)?;
        Ok(results)
    }

    fn clear(&mut self) -> Result<()> {
        call!(self.driver.library, b"cuMemsetD32_v2",
            self.results => u64, 0 => c_uint, size_of::<Results>() / 4 => usize)
    }

    fn launch(&self, first_nonce: u64, count: u32) -> Result<()> {
        let blocks = count.div_ceil(self.group);
        let columns = blocks.min(32_768);
        let (mut results, mut parameters) = (self.results, Parameters::new(first_nonce, count));
        let Parameters { first_nonce, count, first_nonce_high, .. } = &mut parameters;
        let mut parameters: [*mut c_void; 4] = [
            (&raw mut results).cast(),
            ptr::from_mut(first_nonce).cast(),
            ptr::from_mut(count).cast(),
            ptr::from_mut(first_nonce_high).cast(),
        ];
        call!(self.driver.library, b"cuLaunchKernel",
            self.function => *mut c_void,
            columns => c_uint, blocks.div_ceil(columns) => c_uint, 1 => c_uint,
            self.block => c_uint, 1 => c_uint, 1 => c_uint,
            0 => c_uint, ptr::null_mut() => *mut c_void,
            parameters.as_mut_ptr() => *mut *mut c_void, ptr::null_mut() => *mut *mut c_void)
    }

    fn wait(&self) -> Result<()> {
        call!(self.driver.library, b"cuCtxSynchronize",)
    }
}

impl Subject for Kernel<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self) -> Result<()> {
        loop {
            let began = Instant::now();
            self.launch(0, self.nonces)?;
            self.wait()?;
            if began.elapsed() >= LAUNCH || self.nonces >= abi::MAX_NONCES {
                return Ok(());
            }
            self.nonces *= 2;
        }
    }

    fn run(&mut self, time: Duration) -> Result<Rate> {
        let (began, mut done) = (Instant::now(), 0u64);
        while began.elapsed() < time {
            // Several are queued at once, so that none waits for this thread.
            for _ in 0..4 {
                self.launch(0, self.nonces)?;
                done += 1;
            }
            self.wait()?;
        }
        let hashes = done as f64 * f64::from(self.nonces) * f64::from(self.lanes);
        Ok(Rate { wall_hs: hashes / began.elapsed().as_secs_f64(), cpu_hs: None })
    }
}
