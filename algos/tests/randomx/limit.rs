//! Memory that cannot be had is a typed error, never a crash. In a child process, because a limit of the
//! address space holds for all threads.
#![cfg(target_os = "linux")]

#[path = "../support/limits.rs"]
mod limits;

use std::process::Command;
use std::sync::Arc;

use limits::{with_spare, without_memory};
use rminer_algos::randomx::{Cache, Dataset, Engine, EngineError, LightReference, Method, Pages, Vm};

const CHILD: &str = "RMINER_TEST_LIMIT_CHILD";

#[test]
fn every_allocation_can_fail() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", "limit::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("all allocations failed well"), "the child did not run its body: {text}");
}

#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let method = Method::detect(Engine::Reference);
    let mut light = LightReference::default();
    for pages in [Pages::Normal, Pages::Huge] {
        let cache = with_spare(64 << 20, || Cache::allocate(method, pages));
        assert!(matches!(cache, Err(EngineError::Cache(failed)) if failed == pages), "{cache:?}");
        let dataset = with_spare(512 << 20, || Dataset::allocate(method, pages));
        assert!(matches!(dataset, Err(EngineError::Dataset(failed)) if failed == pages), "{dataset:?}");
    }
    let hash = with_spare(64 << 20, || light.hash_with_key(b"key", b"input"));
    assert!(matches!(hash, Err(EngineError::Cache(_))), "{hash:?}");

    let mut cache = Cache::allocate(method, Pages::Normal).unwrap();
    cache.init(b"key");
    let cache = Arc::new(cache);
    for method in [method, method.interpreted()] {
        for pages in [Pages::Normal, Pages::Huge] {
            let vm = without_memory(|| Vm::light(method, pages, Arc::clone(&cache)));
            assert!(matches!(vm, Err(EngineError::Vm(failed)) if failed == pages), "{vm:?}");
        }
        let mut vm = Vm::light(method, Pages::Normal, Arc::clone(&cache)).unwrap();
        let hash = vm.hash(b"input");
        assert_eq!(light.hash_with_key(b"key", b"input"), Ok(hash), "works again once memory is back");
    }
    println!("all allocations failed well");
}
