//! Recorded trees of `/sys` and `/proc`, one text file each.
//!
//! `[folder]` begins a folder, `file = text` and `link -> where` are in it, and `file ! unreadable` is there but cannot
//! be read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rminer::telemetry::{DeviceKind, Roots, Watched};
use tempfile::TempDir;

/// A tree that was laid out for a test.
pub struct Tree {
    folder: TempDir,
}

impl Tree {
    pub fn of(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/telemetry/trees/{name}.tree"));
        let tree = Self { folder: tempfile::tempdir().unwrap() };
        let mut folder = PathBuf::new();
        for line in fs::read_to_string(path).unwrap().lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                folder = tree.folder.path().join(name);
                fs::create_dir_all(&folder).unwrap();
            } else if let Some((name, to)) = line.split_once(" -> ") {
                symlink(to, folder.join(name)).unwrap();
            } else if let Some((name, text)) = line.split_once(" = ") {
                let text = text.replace("\\n", "\n").replace("\\t", "\t");
                fs::write(folder.join(name), text + "\n").unwrap();
            } else if let Some(name) = line.strip_suffix(" ! unreadable") {
                // Root may read every file, and nobody a folder.
                fs::create_dir(folder.join(name)).unwrap();
            } else {
                panic!("{line:?} is nothing in a tree");
            }
        }
        tree
    }

    pub fn roots(&self) -> Roots {
        Roots { sys: self.folder.path().join("sys"), proc_: self.folder.path().join("proc") }
    }

    /// A file becomes another one.
    pub fn write(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join(path), text).unwrap();
    }

    /// A folder goes away, and gives back what it takes to return.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder.path().join(from), self.folder.path().join(to)).unwrap();
    }
}

pub fn cpu(id: &str, package: Option<u32>) -> Watched {
    Watched { id: id.into(), kind: DeviceKind::Cpu, pci: None, package }
}

pub fn gpu(id: &str, pci: &str) -> Watched {
    Watched { id: id.into(), kind: DeviceKind::Gpu, pci: Some(pci.into()), package: None }
}
