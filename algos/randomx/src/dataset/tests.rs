//! Every kernel against the C library, and the filling.
#![allow(unsafe_code, clippy::cast_possible_truncation)]

// Keeps the crate in the link, and with it the C library.
use randomx_rs as _;

use super::*;
use crate::cache::tests::cache;
use crate::config::RX_0;

/// First numbers of ranges that are looked at, the last of which ends with the last item.
fn ranges() -> [Range<u64>; 6] {
    let end = RX_0.dataset_items();
    [0..700, 1000..1001, 4_194_300..4_194_313, 10_000_001..10_000_600, 33_554_399..33_554_500, end - 700..end]
}

/// Items of the C library. It can only make a whole dataset through its own API, so what it fills is a part.
struct Oracle {
    dataset: *mut std::ffi::c_void,
    cache: *mut std::ffi::c_void,
}

unsafe extern "C" {
    fn randomx_alloc_cache(flags: u32) -> *mut std::ffi::c_void;
    fn randomx_init_cache(cache: *mut std::ffi::c_void, key: *const u8, bytes: usize);
    fn randomx_release_cache(cache: *mut std::ffi::c_void);
    fn randomx_alloc_dataset(flags: u32) -> *mut std::ffi::c_void;
    fn randomx_init_dataset(
        dataset: *mut std::ffi::c_void,
        cache: *mut std::ffi::c_void,
        start: std::ffi::c_ulong,
        count: std::ffi::c_ulong,
    );
    fn randomx_get_dataset_memory(dataset: *mut std::ffi::c_void) -> *mut Item;
    fn randomx_release_dataset(dataset: *mut std::ffi::c_void);
}

impl Oracle {
    fn new(key: &[u8]) -> Self {
        // Bit 3: compiled superscalar programs.
        // SAFETY: fresh objects of the library, checked for null; the key is read during the call only.
        unsafe {
            let (cache, dataset) = (randomx_alloc_cache(8), randomx_alloc_dataset(0));
            assert!(!cache.is_null() && !dataset.is_null());
            randomx_init_cache(cache, key.as_ptr(), key.len());
            Self { dataset, cache }
        }
    }

    fn items(&self, items: Range<u64>) -> &[Item] {
        let count = items.end - items.start;
        // SAFETY: the ranges of these tests lie inside the dataset; nobody else has this one.
        unsafe {
            randomx_init_dataset(self.dataset, self.cache, items.start, count);
            let start = randomx_get_dataset_memory(self.dataset).add(items.start as usize);
            std::slice::from_raw_parts(start, count as usize)
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // SAFETY: both came from the library and are released once.
        unsafe {
            randomx_release_dataset(self.dataset);
            randomx_release_cache(self.cache);
        }
    }
}

fn compare(key: &[u8], ranges: &[Range<u64>]) {
    let (oracle, cache) = (Oracle::new(key), cache(key));
    for kernel in DatasetKernel::available() {
        let compiled = kernel.compile(&cache).unwrap();
        for range in ranges {
            let mut items = vec![[0; ITEM_WORDS]; (range.end - range.start) as usize];
            compiled.fill(cache.memory(), range.start, &mut items);
            let expected = oracle.items(range.clone());
            let wrong = items.iter().zip(expected).position(|(left, right)| left != right);
            assert_eq!(wrong, None, "{kernel}: {range:?} of key {key:?}");

            let indices: Vec<u64> = range.clone().rev().take(100).collect();
            compiled.items(cache.memory(), &indices, &mut items);
            let wrong =
                items.iter().zip(expected.iter().rev().take(100)).position(|(left, right)| left != right);
            assert_eq!(wrong, None, "{kernel}: {range:?} backwards, of key {key:?}");
        }
    }
}

#[test]
fn every_kernel_makes_the_items_of_the_c_library() {
    for key in [&b"test key 000"[..], b"", &[0xc3; 60]] {
        compare(key, &ranges());
    }
}

/// Many programs: `cargo test --release -p rminer-randomx dataset -- --ignored`.
#[test]
#[ignore = "takes a minute"]
fn every_kernel_makes_the_items_of_many_keys() {
    for key in 0..60u32 {
        compare(&key.to_le_bytes(), &[0..4000, 20_000_000..20_002_000]);
    }
}

fn dataset() -> Dataset {
    Dataset::allocate(&RX_0, Pages::Normal).unwrap()
}

#[test]
fn a_part_is_filled_by_several_threads() {
    let cache = cache(b"threads");
    let mut dataset = dataset();
    let fill = dataset.fill_part(&cache, 100..2345, 100).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| while fill.step() {});
        }
    });
    assert_eq!((fill.done_items(), fill.total_items()), (2245, 2245));
    assert!(!fill.step());
    fill.finish().unwrap();
    for index in [100, 199, 200, 1717, 2344] {
        let expected = cache.item(index).map(u64::to_le_bytes);
        assert_eq!(dataset.item(index).unwrap().as_slice(), expected.as_flattened());
    }
    for index in [0, 99, 2345, RX_0.dataset_items() - 1] {
        assert_eq!(dataset.item(index), Some(&[0; ITEM_BYTES]), "item {index}");
    }
    assert_eq!(dataset.item(RX_0.dataset_items()), None);
    assert_eq!(dataset.key(), None, "a part of a dataset has no key");
}

#[test]
fn an_unfinished_fill_is_taken_up_again() {
    let cache = cache(b"unfinished");
    let mut dataset = dataset();
    let total = RX_0.dataset_items();
    let fill = dataset.fill(&cache).unwrap();
    assert!(fill.step());
    assert_eq!(fill.finish(), Err(Error::Unfilled { done: CHUNK_ITEMS, total }));
    assert_eq!(dataset.key(), None);

    let fill = dataset.fill_with(&cache, DatasetKernel::Portable).unwrap();
    assert_eq!(fill.total_items(), total - CHUNK_ITEMS);
    assert!(fill.step());
    drop(fill);
    let expected = cache.item(CHUNK_ITEMS).map(u64::to_le_bytes);
    assert_eq!(dataset.item(CHUNK_ITEMS).unwrap().as_slice(), expected.as_flattened());

    dataset.forget();
    assert_eq!(dataset.fill(&cache).unwrap().total_items(), total);
}

#[test]
fn kernels_make_items_in_any_order() {
    let cache = cache(b"any order");
    let last = RX_0.dataset_items() - 1;
    let indices: Vec<u64> = (0..77).map(|at| at * 12_345_678_901 % last).chain([0, last]).collect();
    for kernel in DatasetKernel::available() {
        let made = kernel.compile(&cache).unwrap();
        for count in [0, 1, 5, 24, indices.len()] {
            let mut out = vec![[0; 8]; count];
            made.items(cache.memory(), &indices[..count], &mut out);
            for (&index, item) in indices.iter().zip(&out) {
                assert_eq!(*item, cache.item(index), "{kernel}: item {index} of {count}");
            }
        }
    }
}

#[test]
fn what_cannot_be_filled() {
    let mut dataset = dataset();
    let empty = Cache::allocate(&RX_0, Pages::Normal).unwrap();
    assert_eq!(dataset.fill(&empty).unwrap_err(), Error::NoKey);
    let cache = cache(b"ranges");
    let end = RX_0.dataset_items();
    for (items, chunk) in [(0..end + 1, 1), (Range { start: 5, end: 4 }, 1), (0..5, 0), (0..5, end + 1)] {
        let error = dataset.fill_part(&cache, items.clone(), chunk).unwrap_err();
        assert_eq!(error, Error::Range { start: items.start, end: items.end });
    }
}

#[cfg(feature = "fault-injection")]
#[test]
fn faults_hit_the_items_they_are_meant_for() {
    let mut dataset = dataset();
    dataset.inject_fault(3..5).unwrap();
    let firsts: Vec<u8> = (2..6).map(|index| dataset.item(index).unwrap()[0]).collect();
    assert_eq!(firsts, [0, 1, 1, 0]);
    let end = RX_0.dataset_items();
    assert_eq!(dataset.inject_fault(end..end + 1), Err(Error::Range { start: end, end: end + 1 }));
}
