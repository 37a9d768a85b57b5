//! A wire that writes down what a miner says to a pool.
#![allow(dead_code, unreachable_pub)] // each test target uses a part of it

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Listens, passes everything on to a pool and back, and keeps what comes from the miner.
pub struct Recorder {
    address: SocketAddr,
    said: Arc<Mutex<Vec<Vec<u8>>>>,
    closed: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Recorder {
    /// Before the pool at `pool`, on a port of its own.
    pub fn start(pool: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let recorder =
            Self { address, said: Arc::default(), closed: Arc::default(), streams: Arc::default() };
        let (said, closed) = (Arc::clone(&recorder.said), Arc::clone(&recorder.closed));
        let streams = Arc::clone(&recorder.streams);
        std::thread::spawn(move || {
            for miner in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Relaxed) {
                    continue;
                }
                let Ok(pool) = TcpStream::connect(pool) else { continue };
                let place = {
                    let mut said = said.lock().unwrap();
                    said.push(Vec::new());
                    said.len() - 1
                };
                let both = [miner.try_clone(), pool.try_clone()];
                streams.lock().unwrap().extend(both.into_iter().flatten());
                let (Ok(from_pool), Ok(to_miner)) = (pool.try_clone(), miner.try_clone()) else { continue };
                std::thread::spawn(move || pass(from_pool, to_miner, |_| {}));
                let said = Arc::clone(&said);
                std::thread::spawn(move || {
                    pass(miner, pool, |bytes| said.lock().unwrap()[place].extend_from_slice(bytes));
                });
            }
        });
        recorder
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// What the miner said on each connection so far.
    pub fn said(&self) -> Vec<Vec<u8>> {
        self.said.lock().unwrap().clone()
    }

    /// Ends every connection, and takes no more until it is opened.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        for stream in self.streams.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.closed.store(false, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(&[u8])) {
    let mut piece = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        note(&piece[..count]);
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
