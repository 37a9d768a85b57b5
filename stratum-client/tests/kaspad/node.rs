//! A Kaspa node as far as a miner sees one: gRPC over HTTP/2 on loopback, by the server half of `h2`.

use std::sync::{Arc, Mutex};

use h2::server::SendResponse;
use hyper::body::Bytes;
use hyper::http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::wire::{framed, message, number, payloads};

/// How a node behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// As it should.
    Good,
    /// The first block makes it close the connection, and come back.
    DiesOfTheFirstBlock,
    /// It sends a message that is longer than any, instead of a template.
    Endless,
    /// It compresses.
    Compresses,
    /// It is a server of gRPC, but not of this service.
    OtherService,
    /// It is a web server that speaks HTTP/2.
    Web,
    /// It says these words to whatever it hears first, and closes.
    Says(&'static [u8]),
}

/// What it was told and what it will answer.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) network: String,
    pub(crate) is_behind: bool,
    /// Time of the next template.
    pub(crate) timestamp: u64,
    /// Answers to blocks; without one, a block is taken.
    pub(crate) refusals: Vec<Vec<u8>>,
    /// Blocks that came in.
    pub(crate) blocks: Vec<Vec<u8>>,
    pub(crate) streams: usize,
    /// How the last template was asked for.
    pub(crate) asked: Vec<(u64, Vec<u8>)>,
}

pub(crate) struct Node {
    pub(crate) port: u16,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Node {
    pub(crate) async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { network: "devnet".into(), timestamp: 1_787_225_600_000, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, habit, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn serve(mut socket: TcpStream, habit: Habit, state: Arc<Mutex<State>>) {
    if let Habit::Says(words) = habit {
        let mut heard = [0; 24];
        let _ = socket.read_exact(&mut heard).await;
        let _ = socket.write_all(words).await;
        return;
    }
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    let Some(Ok((request, respond))) = connection.accept().await else { return };
    state.lock().unwrap().streams += 1;
    assert_eq!(request.uri().path(), "/protowire.RPC/MessageStream");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    let talk = talk(request.into_body(), respond, habit, state);
    tokio::select! {
        // Both drop the connection where it stands.
        () = talk => {}
        _ = connection.accept() => {}
    }
}

async fn talk(
    mut body: h2::RecvStream,
    mut respond: SendResponse<Bytes>,
    habit: Habit,
    state: Arc<Mutex<State>>,
) {
    let head = Response::builder().header("content-type", "application/grpc");
    match habit {
        Habit::OtherService => {
            let head = head.header("grpc-status", "12").header("grpc-message", "unknown service");
            respond.send_response(head.body(()).unwrap(), true).unwrap();
            return std::future::pending().await;
        }
        Habit::Web => {
            let page = Response::builder().status(404).header("content-type", "text/html");
            respond.send_response(page.body(()).unwrap(), true).unwrap();
            return std::future::pending().await;
        }
        _ => {}
    }
    let mut out = respond.send_response(head.body(()).unwrap(), false).unwrap();
    let mut heard = Vec::new();
    while let Some(Ok(bytes)) = body.data().await {
        body.flow_control().release_capacity(bytes.len()).unwrap();
        heard.extend_from_slice(&bytes);
        while let Some(length) = heard.get(1..5) {
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if heard.len() < 5 + length {
                break;
            }
            let request: Vec<u8> = heard.drain(..5 + length).skip(5).collect();
            let (kind, payload) = payloads(&request).into_iter().next_back().unwrap();
            if kind == 1003 && habit == Habit::DiesOfTheFirstBlock && state.lock().unwrap().streams == 1 {
                return;
            }
            let mut answers = Vec::new();
            if kind == 1005 && habit == Habit::Endless {
                answers.extend([0, 0xff, 0xff, 0xff, 0xff]);
            } else if kind == 1005 && habit == Habit::Compresses {
                answers.extend([1, 0, 0, 0, 1, 0]);
            } else {
                for answer in state.lock().unwrap().answer(kind, &payload) {
                    answers.extend(framed(&[number(101, 1), answer].concat()));
                }
            }
            // In pieces that end anywhere.
            for piece in answers.chunks(7) {
                out.send_data(Bytes::copy_from_slice(piece), false).unwrap();
            }
        }
    }
    let mut last = HeaderMap::new();
    last.insert("grpc-status", "0".parse().unwrap());
    let _ = out.send_trailers(last);
}

impl State {
    fn answer(&mut self, kind: u64, payload: &[u8]) -> Vec<Vec<u8>> {
        match kind {
            1092 => {
                vec![message(1093, &[message(3, b"2.1.0"), message(4, self.network.as_bytes())].concat())]
            }
            1081 => vec![message(1082, &[])],
            1005 => {
                self.asked = payloads(payload);
                let block = message(3, &self.block(None));
                vec![message(1006, &[number(2, u64::from(!self.is_behind)), block].concat())]
            }
            1003 => {
                let (field, block) = payloads(payload).remove(0);
                assert_eq!(field, 2);
                self.blocks.push(block);
                if !self.refusals.is_empty() {
                    return vec![message(1004, &self.refusals.remove(0))];
                }
                self.timestamp += 1;
                // The news come with the answer.
                vec![message(1083, &[]), message(1004, &[])]
            }
            other => panic!("{other} was asked for"),
        }
    }

    /// The block to mine, or what it must be with its nonce. Half of all hashes solve it.
    pub(crate) fn block(&self, nonce: Option<u64>) -> Vec<u8> {
        let hash = "5c".repeat(32);
        let parents = message(12, &[message(1, hash.as_bytes()), message(1, hash.as_bytes())].concat());
        let mut header = [number(1, 2), parents].concat();
        for field in [3, 4, 5, 14] {
            header.extend(message(field, hash.as_bytes()));
        }
        header.extend(
            [number(6, self.timestamp), number(7, 0x207f_ffff), number(9, 77), message(10, b"1e2")].concat(),
        );
        header.extend(message(2000, b"a field of tomorrow"));
        header.extend(nonce.map_or(Vec::new(), |nonce| number(8, nonce)));
        let transaction = [number(1, 1), message(8, b"00"), message(3000, b"and another")].concat();
        [message(1, &header), message(2, &transaction), number(4000, 5)].concat()
    }
}
