//! The comparisons for SHA-256d, in the order in which their answers are needed.

use anyhow::Result;
use rminer_shaders::generator::{Rotate, Sums};
use rminer_shaders::kernels::sha256d::{Shape, calibration::calibration};

use crate::measure::Subject;
use crate::{Session, wgsl};

/// Everything that has a twin in CUDA C.
fn shapes_with_twins() -> Vec<Shape> {
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

/// Names and texts of the twins.
pub(crate) fn twins() -> Vec<(String, String)> {
    let sources = shapes_with_twins().into_iter().map(|shape| (shape.name(), shape.cuda()));
    sources.chain([("calibration".to_owned(), calibration(256).cuda)]).collect()
}

impl Session<'_> {
    pub(crate) fn sha256d(&mut self) -> Result<()> {
        let shape = Shape::default();
        self.calibrate()?;
        self.shapes("One header, beside its CUDA twin", &[shape], true)?;
        let rotations = [Rotate::Add, Rotate::Xor, Rotate::Insert, Rotate::Wide];
        let mut spelled = vec![shape];
        spelled.extend(rotations.into_iter().map(|rotate| Shape { rotate, ..shape }));
        self.shapes("Spellings of a rotation", &spelled, false)?;
        self.shapes("Additions on the multiply pipe; 2 and 4 headers", &shapes_with_twins(), true)?;
        let mut frames = vec![shape];
        frames.extend([64, 128].map(|workgroup_size| Shape { workgroup_size, ..shape }));
        frames.extend([4, 16].map(|nonces_per_invocation| Shape { nonces_per_invocation, ..shape }));
        let most = Shape { lanes: 4, sums: Sums::MultiplyAdd, ..shape };
        frames.extend([most, Shape { workgroup_size: 64, ..most }, Shape { workgroup_size: 128, ..most }]);
        self.shapes("Workgroups, and nonces for each invocation", &frames, false)
    }

    fn shapes(&mut self, title: &'static str, shapes: &[Shape], with_twins: bool) -> Result<()> {
        self.compare(title, shapes.iter().map(|shape| shape.variant()).collect(), with_twins)
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
}
