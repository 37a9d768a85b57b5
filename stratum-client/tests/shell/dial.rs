//! Names and TCP.

use std::net::IpAddr;
use std::sync::Arc;

use rminer_stratum::connect::{DialError, NameError};

use crate::servers::{dead, dial, echoes, plain_dialer, route, serve};

#[tokio::test]
async fn two_addresses_of_which_the_first_is_dead() {
    let server = serve(|mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await;
    // All of 127.0.0.0/8 is this machine; the server listens on the last of these only.
    let addresses = vec![IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 1])];
    let known = addresses.clone();
    let dialer = plain_dialer(Arc::new(move |_: &str| Ok(known.clone())));
    for _ in 0..8 {
        let (mut stream, path) = dial(&dialer, &route("pool.example", server.port(), None)).await.unwrap();
        echoes(&mut stream).await;
        assert_eq!(path.tcp.unwrap().address, server);
        let mut found = path.name.unwrap().addresses;
        found.sort_unstable();
        assert_eq!(found, [addresses[1], addresses[0]]);
    }
}

#[tokio::test]
async fn a_refusal_names_the_address() {
    let dead = dead().await;
    let dialer = plain_dialer(Arc::new(|_: &str| Ok(vec![IpAddr::from([127, 0, 0, 1])])));
    let error = dial(&dialer, &route("pool.example", dead.port(), None)).await.err().unwrap();
    assert!(matches!(error, DialError::Tcp(_)));
    assert!(error.to_string().starts_with("127.0.0.1 refused the connection after "), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    // The reserved name never exists (RFC 6761); without any DNS server the answer is another, as clear.
    let dialer = plain_dialer(Arc::new(rminer_stratum::connect::system_lookup));
    let error = dial(&dialer, &route("pool.invalid", 3333, None)).await.err().unwrap();
    assert!(matches!(error, DialError::Name(_)), "{error}");

    let words = "failed to lookup address information: Name or service not known";
    let dialer = plain_dialer(Arc::new(move |_: &str| Err(std::io::Error::other(words))));
    let error = dial(&dialer, &route("pool.invalid", 3333, None)).await.err().unwrap();
    assert!(matches!(error, DialError::Name(NameError::NotFound(_))));
    assert_eq!(error.to_string(), "the name pool.invalid does not exist");
}

#[tokio::test]
async fn addresses_need_no_resolver() {
    let server = serve(|_| async {}).await;
    let dialer = plain_dialer(Arc::new(|_: &str| panic!("an address was looked up")));
    let (_, path) = dial(&dialer, &route("127.0.0.1", server.port(), None)).await.unwrap();
    assert!(path.name.is_none() && path.tls.is_none() && path.proxy.is_none());
}
