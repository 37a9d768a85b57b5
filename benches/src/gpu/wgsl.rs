//! Kernels through wgpu, with nothing around them: long dispatches, two in flight, results not read back.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rminer_shaders::abi::{self, Parameters, Results};

use crate::measure::{Rate, Subject, process_cpu};

/// Dispatches are made this long, so that gaps between them do not count.
const DISPATCH: Duration = Duration::from_millis(50);
const RESULT_BYTES: u64 = size_of::<Results>() as u64;

/// An open device.
pub(crate) struct Device {
    device: wgpu::Device,
    queue: wgpu::Queue,
    layout: wgpu::BindGroupLayout,
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) software: bool,
    pub(crate) int64: bool,
}

/// What a kernel is, whoever made it.
pub(crate) struct Source<'a> {
    pub(crate) name: String,
    pub(crate) text: &'a str,
    /// Text of the generator, which needs no checks at run time.
    pub(crate) generated: bool,
    pub(crate) lanes: u32,
    /// Nonces of one workgroup.
    pub(crate) group: u32,
    pub(crate) job: &'a [u32],
}

/// A compiled kernel with its buffers.
pub(crate) struct Kernel<'a> {
    device: &'a Device,
    name: String,
    lanes: u32,
    group: u32,
    pipeline: wgpu::ComputePipeline,
    results: wgpu::Buffer,
    parameters: wgpu::Buffer,
    read_back: wgpu::Buffer,
    bindings: wgpu::BindGroup,
    nonces: u32,
    /// Wall and processor time from text to the first results.
    pub(crate) start: (Duration, Duration),
}

impl Device {
    /// Opens the adapter of this number in the order of wgpu, by default the first that is hardware.
    pub(crate) fn open(number: Option<usize>) -> Result<Self> {
        let backends = if cfg!(target_vendor = "apple") {
            wgpu::Backends::METAL
        } else {
            wgpu::Backends::VULKAN | wgpu::Backends::DX12
        };
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = backends;
        descriptor.flags = wgpu::InstanceFlags::empty();
        let adapters = pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(backends));
        let software = |adapter: &wgpu::Adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        let found = match number {
            Some(number) => adapters.get(number),
            None => adapters.iter().find(|adapter| !software(adapter)).or(adapters.first()),
        };
        let Some(adapter) = found else {
            bail!(
                "no such adapter; {} found. Is a Vulkan driver and its loader (libvulkan1) installed?",
                adapters.len()
            );
        };
        let features = adapter.features() & wgpu::Features::SHADER_INT64;
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            required_features: features,
            required_limits: wgpu::Limits::downlevel_defaults(),
            ..Default::default()
        }))
        .context("opening the device")?;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &[
                entry(abi::RESULTS_BINDING, wgpu::BufferBindingType::Storage { read_only: false }),
                entry(abi::PARAMETERS_BINDING, wgpu::BufferBindingType::Uniform),
                entry(abi::JOB_BINDING, wgpu::BufferBindingType::Uniform),
            ],
        });
        let info = adapter.get_info();
        Ok(Self {
            device,
            queue,
            layout,
            name: info.name,
            driver: format!("{} {} ({})", info.driver, info.driver_info, info.backend),
            software: info.device_type == wgpu::DeviceType::Cpu,
            int64: !features.is_empty(),
        })
    }

    /// Compiles a kernel and runs it once, since drivers put work off until then.
    pub(crate) fn compile(&self, source: &Source<'_>) -> Result<Kernel<'_>> {
        let (began, cpu) = (Instant::now(), process_cpu());
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let text = wgpu::ShaderModuleDescriptor {
            label: Some(&source.name),
            source: wgpu::ShaderSource::Wgsl(source.text.into()),
        };
        let module = if source.generated {
            // SAFETY: generated text has no loop but one of fixed length and no index but that of the results, which
            // it checks.
            unsafe { self.device.create_shader_module_trusted(text, wgpu::ShaderRuntimeChecks::unchecked()) }
        } else {
            self.device.create_shader_module(text)
        };
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&self.layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&source.name),
            layout: Some(&layout),
            module: &module,
            entry_point: Some(abi::ENTRY_POINT),
            compilation_options: Default::default(),
            cache: None,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            bail!("{}: {error}", source.name);
        }
        let buffer = |size, usage| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let uniform = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let results = buffer(
            RESULT_BYTES,
            wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        );
        let parameters = buffer(size_of::<Parameters>() as u64, uniform);
        let job = buffer(size_of_val(source.job) as u64, uniform);
        self.queue.write_buffer(&job, 0, bytemuck::cast_slice(source.job));
        let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
        let bindings = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout,
            entries: &[
                entry(abi::RESULTS_BINDING, results.as_entire_binding()),
                entry(abi::PARAMETERS_BINDING, parameters.as_entire_binding()),
                entry(abi::JOB_BINDING, job.as_entire_binding()),
            ],
        });
        let mut kernel = Kernel {
            device: self,
            name: source.name.clone(),
            lanes: source.lanes,
            group: source.group,
            pipeline,
            results,
            parameters,
            read_back: buffer(RESULT_BYTES, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST),
            bindings,
            nonces: 1 << 16,
            start: (Duration::ZERO, Duration::ZERO),
        };
        kernel.search(0, 1)?;
        kernel.start = (began.elapsed(), process_cpu() - cpu);
        Ok(kernel)
    }
}

impl Kernel<'_> {
    /// The candidates of one dispatch.
    pub(crate) fn search(&self, first_nonce: u64, count: u32) -> Result<Results> {
        let Device { device, queue, .. } = self.device;
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.clear_buffer(&self.results, 0, None);
        self.encode(&mut encoder, first_nonce, count);
        encoder.copy_buffer_to_buffer(&self.results, 0, &self.read_back, 0, None);
        queue.submit([encoder.finish()]);
        self.read_back.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        device.poll(wgpu::PollType::wait_indefinitely()).context("waiting for the device")?;
        let results = bytemuck::pod_read_unaligned(&self.read_back.slice(..).get_mapped_range()?);
        self.read_back.unmap();
        Ok(results)
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder, first_nonce: u64, count: u32) {
        let parameters = Parameters::new(first_nonce, count);
        self.device.queue.write_buffer(&self.parameters, 0, bytemuck::bytes_of(&parameters));
        let workgroups = count.div_ceil(self.group);
        let columns = workgroups.min(32_768);
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(columns, workgroups.div_ceil(columns), 1);
    }

    fn submit(&self) -> wgpu::SubmissionIndex {
        let mut encoder = self.device.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder, 0, self.nonces);
        self.device.queue.submit([encoder.finish()])
    }

    fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let timeout = Some(Duration::from_secs(20));
        let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout };
        self.device.device.poll(poll).with_context(|| format!("waiting for {}", self.name))?;
        Ok(())
    }
}

impl Subject for Kernel<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self) -> Result<()> {
        loop {
            let began = Instant::now();
            self.wait(self.submit())?;
            if began.elapsed() >= DISPATCH || self.nonces >= abi::MAX_NONCES {
                return Ok(());
            }
            self.nonces *= 2;
        }
    }

    fn run(&mut self, time: Duration) -> Result<Rate> {
        let (began, cpu) = (Instant::now(), process_cpu());
        let mut done = 0u64;
        let mut running = self.submit();
        while began.elapsed() < time {
            let next = self.submit();
            self.wait(std::mem::replace(&mut running, next))?;
            done += 1;
        }
        self.wait(running)?;
        let hashes = (done + 1) as f64 * f64::from(self.nonces) * f64::from(self.lanes);
        let cpu = process_cpu() - cpu;
        Ok(Rate {
            wall_hs: hashes / began.elapsed().as_secs_f64(),
            // On hardware the processor only waits, and the figure would say nothing.
            cpu_hs: self.device.software.then(|| hashes / cpu.as_secs_f64().max(1e-9)),
        })
    }
}
