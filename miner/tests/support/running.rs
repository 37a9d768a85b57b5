//! Programs that end with the test that started them.

use std::process::Child;

/// A program that a test started; it ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Only ever this child.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}
