//! The library itself, loaded and let go.

use std::path::Path;

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

/// The library while it is in use.
pub(super) struct Library {
    /// Always there until it is dropped.
    nvml: Option<Nvml>,
}

impl Library {
    /// Loads it, by the loader's usual name and places unless a file is named.
    pub(super) fn load(path: Option<&Path>) -> Result<Self, NvmlError> {
        let mut builder = Nvml::builder();
        if let Some(path) = path {
            builder.lib_path(path.as_os_str());
        }
        Ok(Self { nvml: Some(builder.init()?) })
    }

    pub(super) fn nvml(&self) -> Option<&Nvml> {
        self.nvml.as_ref()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // The wrapper panics when it lets go of a library without the function for it; that one stays loaded.
        if let Some(nvml) = self.nvml.take()
            && nvml.lib().nvmlShutdown.is_err()
        {
            std::mem::forget(nvml);
        }
    }
}
