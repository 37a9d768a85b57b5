//! The comparisons for kHeavyHash, in the order in which their answers are needed.

use anyhow::Result;
use rminer_shaders::kernels::kheavyhash::{Product, Rounds, Rows, Shape, Theta, Width};

use crate::Session;

/// The best guess for cards.
fn guess() -> Shape {
    Shape { width: Width::Pairs, ..Shape::default() }
}

/// How many rounds and rows stand in the text.
fn lengths() -> Vec<Shape> {
    let guess = guess();
    let rounds = [Rounds::Looped(1), Rounds::Looped(2), Rounds::Looped(11), Rounds::Unrolled];
    let mut shapes = vec![guess];
    shapes.extend(rounds.map(|rounds| Shape { rounds, ..guess }));
    shapes.extend([Rows::Two, Rows::All].map(|rows| Shape { rows, ..guess }));
    shapes
}

/// Names and texts of the twins.
pub(crate) fn twins() -> Vec<(String, String)> {
    lengths().into_iter().map(|shape| (shape.name(), shape.cuda())).collect()
}

impl Session<'_> {
    pub(crate) fn kheavyhash(&mut self) -> Result<()> {
        let guess = guess();
        self.heavy_shapes("The best guess for cards, beside its CUDA twin", &[guess], true)?;
        // All of the product in the text takes software minutes to compile.
        let software = self.device.software;
        let lengths: Vec<Shape> =
            lengths().into_iter().filter(|shape| !software || shape.rows != Rows::All).collect();
        self.heavy_shapes("Rounds and rows in the text", &lengths, true)?;
        let wide = Shape::default();
        let small = |shape| Shape { rounds: Rounds::Looped(1), rows: Rows::Two, ..shape };
        self.heavy_shapes(
            "Lanes as pairs of words, and as 64-bit values",
            &[guess, wide, small(guess), small(wide)],
            false,
        )?;
        let spelled = [
            guess,
            Shape { theta: Theta::Two, ..guess },
            Shape { product: Product::RowPairs, rows: Rows::Two, ..guess },
            Shape { product: Product::RowPairs, rows: Rows::Two, ..wide },
        ];
        self.heavy_shapes("Spellings of theta and of the product", &spelled, false)?;
        let mut frames = vec![guess];
        frames.extend([64, 256].map(|workgroup_size| Shape { workgroup_size, ..guess }));
        frames.push(Shape { nonces_per_invocation: 4, ..guess });
        self.heavy_shapes("Workgroups, and nonces for each invocation", &frames, false)
    }

    fn heavy_shapes(&mut self, title: &'static str, shapes: &[Shape], with_twins: bool) -> Result<()> {
        self.compare(title, shapes.iter().map(|shape| shape.variant()).collect(), with_twins)
    }
}
