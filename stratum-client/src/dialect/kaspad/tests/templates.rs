//! What is hashed, and what goes back to the node.

use super::*;

fn read(block: &[u8]) -> Result<BlockTemplate, ProtocolError> {
    BlockTemplate::read(block)
}

fn fault(header: &[u8]) -> String {
    read(&message(1, header)).unwrap_err().to_string()
}

#[test]
fn genesis_blocks_have_their_hashes() {
    let genesis = recorded("genesis");
    assert_eq!(genesis.len(), 4);
    for block in genesis {
        let text = |name: &str| block[name].as_str().unwrap().as_bytes().to_vec();
        let value = |name: &str| block[name].as_u64().unwrap();
        let zeros = "00".repeat(32);
        let header = [
            message(3, &text("hash_merkle_root")),
            message(4, zeros.as_bytes()),
            message(5, &text("utxo_commitment")),
            number(6, value("timestamp")),
            number(7, value("bits")),
            number(8, value("nonce")),
            number(9, value("daa_score")),
            message(14, zeros.as_bytes()),
        ];
        let template = read(&message(1, &header.concat())).unwrap();
        let hash = template.hash_with(value("nonce")).unwrap();
        assert_eq!(encode_hex(&hash).as_bytes(), text("hash"), "{}", block["network"]);
        assert_ne!(template.hash_with(value("nonce") + 1).unwrap(), hash);
        // The work has time and nonce apart.
        assert_eq!(template.work.blob()[32..40], value("timestamp").to_le_bytes());
        assert_eq!(template.work.blob()[40..], [0; 40]);
    }
}

#[test]
fn blocks_that_a_node_took_have_the_hashes_that_it_gave_them() {
    let blocks = recorded("blocks");
    assert_eq!(blocks.len(), 2);
    for recorded in blocks {
        let block = decode_hex(recorded["block"].as_str().unwrap()).unwrap();
        let nonce = recorded["nonce"].as_u64().unwrap();
        let template = read(&block).unwrap();
        assert_eq!(encode_hex(&template.hash_with(nonce).unwrap()), recorded["hash"].as_str().unwrap());
        // The node counts only what is solved.
        let mut reference = (registry::KHEAVYHASH.reference)().unwrap();
        assert!(template.target.is_met_by(&reference.hash(&template.work, nonce).unwrap()));
        assert!(!template.target.is_met_by(&reference.hash(&template.work, nonce ^ 1).unwrap()));
    }
}

#[test]
fn only_the_nonce_is_changed() {
    // Fields of every kind that nobody has heard of, in block and header, before and after.
    let unknown = [message(77, b"new"), number(78, u64::MAX), vec![0xfd, 4, 1, 2, 3, 4]].concat();
    let with_nonce = [unknown.clone(), header(5), number(8, 9), unknown.clone(), number(8, 10)].concat();
    let block = [
        message(2, b"first"),
        unknown.clone(),
        message(1, &with_nonce),
        message(2, b"second"),
        unknown.clone(),
    ];
    let template = read(&block.concat()).unwrap();
    for nonce in [0, 1, 0x80, u64::MAX] {
        let header = [unknown.clone(), header(5), unknown.clone(), number(8, nonce)].concat();
        let mut wanted = block.clone();
        wanted[2] = message(1, &header);
        assert_eq!(template.block_with(nonce), wanted.concat(), "{nonce}");
        assert_eq!(read(&template.block_with(nonce)).unwrap(), template, "read again it is the same work");
    }
}

#[test]
fn what_cannot_be_mined_is_named() {
    assert!(read(&[]).unwrap_err().to_string().contains("`header` is absent"));
    let twice = [message(1, &header(1)), message(1, &header(1))].concat();
    assert!(read(&twice).unwrap_err().to_string().contains("twice"));
    for (added, words) in [
        (number(7, 0x0080_0000), "no target"),
        (number(7, 1 << 33), "32 bits"),
        (number(1, 1 << 16), "16 bits"),
        (message(3, b"5c"), "no hash"),
        (message(3, &[0xff; 64]), "UTF-8"),
        (message(10, &[b'f'; 49]), "192 bits"),
        (message(10, b"xy"), "192 bits"),
        (message(12, &message(1, b"5c")), "no hash"),
        (message(12, b"\xff"), "no protobuf"),
        (number(3, 1), "no text"),
        (message(6, b"1"), "no number"),
        (message(12, &[]).repeat(256), "levels"),
    ] {
        let text = fault(&[header(1), added].concat());
        assert!(text.contains(words), "{text}");
    }
    assert!(fault(&number(7, 0x207f_ffff)).contains("absent"));
    assert!(fault(&header(1)[..100]).contains("cut off"));
}

/// Digits without leading zeros may be odd in number, and zero has none.
#[test]
fn blue_work_is_read_as_a_number() {
    let hash = |digits: &[u8]| read(&message(1, &[header(1), message(10, digits)].concat())).unwrap().work;
    assert_eq!(hash(b"1e240"), hash(b"01e240"));
    assert_eq!(hash(b""), hash(b"0000"));
    assert_ne!(hash(b"1e240"), hash(b"1e24"));
}
