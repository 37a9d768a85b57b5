//! An open card: one device with its one queue, and every call to them that can fail.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use crate::Variant;
use crate::abi;
use crate::adapters::{AdapterId, find, required_limits};
use crate::fault::{Fault, Watch, contained};

/// One wait for the device; between two of them it is looked whether the device was lost.
const WAIT: Duration = Duration::from_millis(250);
/// A device that has no time left is looked at all the same.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

pub(crate) struct Card {
    handles: ManuallyDrop<Handles>,
    watch: Watch,
    patience: Cell<Duration>,
    pipelines: Cell<u32>,
    hung: Cell<bool>,
}

struct Handles {
    device: wgpu::Device,
    queue: wgpu::Queue,
    bindings: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
    /// Nanoseconds of one tick; none where the device has no timestamps.
    tick_ns: Option<f64>,
    int64: bool,
}

/// A kernel that is ready to run on its card.
pub(crate) struct Program {
    pub(crate) pipeline: wgpu::ComputePipeline,
    /// Nonces of one workgroup.
    pub(crate) group: u32,
    /// Bytes of the job's words.
    pub(crate) job_bytes: u64,
    /// Time that it took to make it.
    pub(crate) compile: Duration,
}

impl Card {
    /// Opens an adapter in a new instance of its driver. `patience` is how long a dispatch may take before the
    /// device counts as hung; with `own_clock` the device is asked for the times of dispatches, if it has any.
    pub(crate) fn open(id: &AdapterId, patience: Duration, own_clock: bool) -> Result<Self, Fault> {
        let adapter = find(id).ok_or_else(|| Fault::Lost(format!("{} is not there any more", id.name)))?;
        let times = if own_clock { wgpu::Features::TIMESTAMP_QUERY } else { wgpu::Features::empty() };
        let features = adapter.features() & (times | wgpu::Features::SHADER_INT64);
        let descriptor = wgpu::DeviceDescriptor {
            label: None,
            required_features: features,
            required_limits: required_limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        };
        let opened = contained("opening", || pollster::block_on(adapter.request_device(&descriptor)))?;
        let (device, queue) = opened.map_err(|error| Fault::Lost(format!("cannot be opened: {error}")))?;
        let watch = Watch::on(&device);
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let bindings = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &[
                entry(abi::RESULTS_BINDING, wgpu::BufferBindingType::Storage { read_only: false }),
                entry(abi::PARAMETERS_BINDING, wgpu::BufferBindingType::Uniform),
                entry(abi::JOB_BINDING, wgpu::BufferBindingType::Uniform),
            ],
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
        let tick_ns = features
            .contains(wgpu::Features::TIMESTAMP_QUERY)
            .then(|| f64::from(queue.get_timestamp_period()));
        let int64 = features.contains(wgpu::Features::SHADER_INT64);
        watch.check()?;
        Ok(Self {
            handles: ManuallyDrop::new(Handles { device, queue, bindings, layout, tick_ns, int64 }),
            watch,
            patience: Cell::new(patience),
            pipelines: Cell::new(0),
            hung: Cell::new(false),
        })
    }

    /// Compiles a kernel. Drivers may put a part of it off to the first dispatch.
    pub(crate) fn program(&self, variant: &Variant) -> Result<Program, Fault> {
        let began = Instant::now();
        let source = wgpu::ShaderModuleDescriptor {
            label: Some(&variant.name),
            source: wgpu::ShaderSource::Wgsl((&*variant.text).into()),
        };
        let pipeline = contained("compiling", || {
            let module = if variant.generated {
                // SAFETY: the text is a constant of this program, from its own generator: no division, and loops of a
                // constant number of turns. Indices are constants, counts of such loops that stay within the job's
                // buffer, and that of the results, which is checked before it is used. The tests run every such text
                // against the reference.
                unsafe {
                    self.device().create_shader_module_trusted(source, wgpu::ShaderRuntimeChecks::unchecked())
                }
            } else {
                self.device().create_shader_module(source)
            };
            self.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&variant.name),
                layout: Some(&self.handles.layout),
                module: &module,
                entry_point: Some(abi::ENTRY_POINT),
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..wgpu::PipelineCompilationOptions::default()
                },
                cache: None,
            })
        })?;
        self.watch.take_refusal()?;
        self.pipelines.set(self.pipelines.get() + 1);
        let group = variant.workgroup_size.saturating_mul(variant.nonces_per_invocation).max(1);
        let job_bytes = 16 * u64::from(variant.job_vec4s);
        Ok(Program { pipeline, group, job_bytes, compile: began.elapsed() })
    }

    /// Waits until a submission is done, and not for ever.
    pub(crate) fn wait(&self, submission: &wgpu::SubmissionIndex) -> Result<(), Fault> {
        let deadline = Instant::now() + self.patience.get();
        loop {
            self.watch.check()?;
            let timeout = deadline.saturating_duration_since(Instant::now()).clamp(SHORTEST_WAIT, WAIT);
            let poll =
                wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(timeout) };
            match contained("waiting", || self.device().poll(poll))? {
                Ok(_) => return self.watch.check(),
                Err(wgpu::PollError::Timeout) if Instant::now() < deadline => {}
                Err(wgpu::PollError::Timeout) => {
                    self.hung.set(true);
                    return Err(Fault::Hung(self.patience.get()));
                }
                Err(error) => return Err(Fault::Lost(error.to_string())),
            }
        }
    }

    /// How long a dispatch may take from now on.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.patience.set(patience);
    }

    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.handles.device
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.handles.queue
    }

    pub(crate) fn bindings(&self) -> &wgpu::BindGroupLayout {
        &self.handles.bindings
    }

    pub(crate) fn tick_ns(&self) -> Option<f64> {
        self.handles.tick_ns
    }

    /// Whether a kernel has all that it needs here.
    pub(crate) fn can_run(&self, variant: &Variant) -> bool {
        self.handles.int64 || !variant.needs_int64
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Pipelines that were ever made on it.
    pub(crate) fn pipelines(&self) -> u32 {
        self.pipelines.get()
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        // wgpu waits without limit for a queue that it drops. A hung device is left behind instead; the crew's
        // ladder bounds how often that happens.
        if !self.hung.get() {
            // SAFETY: nothing touches the handles after this, since the card is being dropped.
            let handles = unsafe { ManuallyDrop::take(&mut self.handles) };
            let _lost = contained("closing", move || drop(handles));
        }
    }
}
