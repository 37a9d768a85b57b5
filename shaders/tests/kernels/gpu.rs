//! The least that runs a kernel, apart from the product's runner: what it finds is what the kernel wrote.

#![allow(unsafe_code)]

use bytemuck::Zeroable;
use rminer_shaders::Variant;
use rminer_shaders::abi::{self, Parameters, Results};
use wgpu::util::DeviceExt;

pub(crate) struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    layout: wgpu::BindGroupLayout,
    pub(crate) int64: bool,
}

/// A kernel, compiled.
pub(crate) struct Kernel<'a> {
    gpu: &'a Gpu,
    variant: &'a Variant,
    pipeline: wgpu::ComputePipeline,
}

impl Gpu {
    /// The first device, of whatever kind; `None`, with a message, where there is none.
    pub(crate) fn open() -> Option<Self> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::PRIMARY;
        let instance = wgpu::Instance::new(descriptor);
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
        let Some(adapter) = adapters.into_iter().next() else {
            assert!(std::env::var_os("RMINER_REQUIRE_FIXTURES").is_none(), "no device, also no software one");
            eprintln!("SKIPPED: no Vulkan, Metal or DX12 device; `make setup-test` installs a software one");
            return None;
        };
        let features = adapter.features() & wgpu::Features::SHADER_INT64;
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            required_features: features,
            required_limits: wgpu::Limits::downlevel_defaults(),
            ..Default::default()
        }))
        .unwrap();
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
        Some(Self { device, queue, layout, int64: !features.is_empty() })
    }

    pub(crate) fn compile<'a>(&'a self, variant: &'a Variant) -> Kernel<'a> {
        let source = wgpu::ShaderModuleDescriptor {
            label: Some(&variant.name),
            source: wgpu::ShaderSource::Wgsl((&*variant.text).into()),
        };
        let module = if variant.generated {
            // SAFETY: generated text has no loop but one of fixed length and no index but that of the results, which
            // it checks; it is compiled here as in the product.
            unsafe {
                self.device.create_shader_module_trusted(source, wgpu::ShaderRuntimeChecks::unchecked())
            }
        } else {
            self.device.create_shader_module(source)
        };
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&self.layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&variant.name),
            layout: Some(&layout),
            module: &module,
            entry_point: Some(abi::ENTRY_POINT),
            compilation_options: Default::default(),
            cache: None,
        });
        Kernel { gpu: self, variant, pipeline }
    }
}

impl Kernel<'_> {
    pub(crate) fn lanes(&self) -> u32 {
        self.variant.lanes
    }

    /// One dispatch over `count` nonces, in a grid of several rows where it has room for them.
    pub(crate) fn run(&self, job: &[u32], first_nonce: u64, count: u32) -> Results {
        let Gpu { device, queue, layout, .. } = self.gpu;
        let buffer = |contents: &[u8], usage| {
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: None, contents, usage })
        };
        let parameters = Parameters::new(first_nonce, count);
        let results = buffer(
            bytemuck::bytes_of(&Results::zeroed()),
            wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        );
        let parameters = buffer(bytemuck::bytes_of(&parameters), wgpu::BufferUsages::UNIFORM);
        let job = buffer(bytemuck::cast_slice(job), wgpu::BufferUsages::UNIFORM);
        let read_back = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: results.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout,
            entries: &[
                wgpu::BindGroupEntry { binding: abi::RESULTS_BINDING, resource: results.as_entire_binding() },
                wgpu::BindGroupEntry {
                    binding: abi::PARAMETERS_BINDING,
                    resource: parameters.as_entire_binding(),
                },
                wgpu::BindGroupEntry { binding: abi::JOB_BINDING, resource: job.as_entire_binding() },
            ],
        });
        let workgroups = count.div_ceil(self.variant.workgroup_size * self.variant.nonces_per_invocation);
        let columns = workgroups.min(3);
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(columns, workgroups.div_ceil(columns), 1);
        }
        encoder.copy_buffer_to_buffer(&results, 0, &read_back, 0, None);
        queue.submit([encoder.finish()]);
        read_back.slice(..).map_async(wgpu::MapMode::Read, |outcome| outcome.unwrap());
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        bytemuck::pod_read_unaligned(&read_back.slice(..).get_mapped_range().unwrap())
    }
}
