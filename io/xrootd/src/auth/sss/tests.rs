use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Made by xrdsssadmin 5.5.3 for this test, and used nowhere else.
const KEYTAB: &str = "0 u:anybody g:usrgroup n:testkey N:7710584078738653185 c:1795260254 e:0 f:0 k:6e0ea01b5ebee8df631c03c25182af12c656c3ffe5fdbfe0c5627d66fb0261aa";

/// Recorded from xrdfs 5.5.3 with that key: the body of its kXR_auth to a server that offers
/// `sss,0.+13:…`.
const OFFICIAL: &str = "73737300000008306b017f5e00000001746573746b657900e149f61021eb374169fa243ab702460c30c48eb95551236cbdbbe4de408f47505b334513c57d655477130d23fadb2cc77c3a82599a62670a9888941497077f522fb0ea84994c51cd58d00c79b6099f78530712d657008472ed281dbb95a78c87f87d67f23d525f259552616d3c5c1aa8bafb59075aa5d50d3dc435c87e341c5b60694c1d6f80de7c4b9bdb408eac30a07c92ae9da74bfe22db81146d16ad465459e8d7ec387fb50f43bc3abf0d83bb64";

fn sss(keytab: &str, arguments: &str) -> Result<Sss, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sss.keytab");
    fs::write(&path, keytab).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let peer = Peer {
        host: "localhost",
        address: "127.0.0.1".parse().unwrap(),
        local: "127.0.0.1:35736".parse().unwrap(),
        tls: false,
    };
    Sss::new(&path, arguments, &peer)
}

/// Kinds and texts behind the head.
fn said(clear: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut rest, mut said) = (&clear[HEAD..], Vec::new());
    while let [kind, high, low, more @ ..] = rest {
        let (text, behind) = more.split_at(usize::from(*high) << 8 | usize::from(*low));
        said.push((*kind, text.to_vec()));
        rest = behind;
    }
    assert!(rest.is_empty());
    said
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn the_packet_is_made_as_the_official_client_s() {
    let official = bytes(OFFICIAL);
    let mut ours = sss(KEYTAB, "0.+13:/etc/xrootd/sss.keytab").unwrap();
    let packet = ours.start().unwrap();
    // The head, the number of the key and its name: "testkey", eight bytes with its end.
    assert_eq!(packet[..24], official[..24]);
    assert_eq!(packet[16..24], *b"testkey\0");

    let theirs = cipher::tests::open(&ours.key.value, &official[24..]).expect("their checksum is right");
    let clear = cipher::tests::open(&ours.key.value, &packet[24..]).unwrap();
    // Made within the minutes before the recording, by the packet's clock: 2026-11-21 11:26 UTC.
    let made = u32::from_be_bytes(theirs[32..36].try_into().unwrap());
    assert_eq!((u64::from(made) + EPOCH) / 3600, 1_795_259_434 / 3600);
    let made = u32::from_be_bytes(clear[32..36].try_into().unwrap());
    assert!((u64::from(made) + EPOCH).abs_diff(now()) < 60);
    assert_eq!((&theirs[36..40], &clear[36..40]), (&[0; 4][..], &[0; 4][..]));

    // The same is said, but for the host's name, which only servers of the first version compare.
    let (theirs, said) = (said(&theirs), said(&clear));
    let shown = |said: &[(u8, Vec<u8>)]| {
        let but_random = said.iter().filter(|(kind, _)| *kind != RANDOM);
        but_random.map(|(kind, text)| (*kind, String::from_utf8(text.clone()).unwrap())).collect::<Vec<_>>()
    };
    let expected =
        [(HOST, "[::ffff:127.0.0.1]:35736\0"), (NAME, "nobody\0"), (GROUPS, "nogroup\0"), (METHOD, "sss\0")]
            .map(|(kind, text)| (kind, text.to_owned()));
    assert_eq!(shown(&said), expected);
    let kinds = |said: &[(u8, Vec<u8>)]| said.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
    assert_eq!(kinds(&theirs), [HOST, HOST, NAME, GROUPS, RANDOM, METHOD]);
    assert_eq!(kinds(&said), [HOST, NAME, GROUPS, RANDOM, METHOD]);
    assert_eq!((&theirs[2], &theirs[3], &theirs[5]), (&said[1], &said[2], &said[4]));
    assert_ne!(said[3].1[0], 0);
}

#[test]
fn two_packets_are_never_the_same() {
    let mut ours = sss(KEYTAB, "0.+13:").unwrap();
    assert_ne!(ours.start().unwrap()[24..56], ours.start().unwrap()[24..56]);
}

#[test]
fn servers_of_the_first_version_get_no_name_of_the_key() {
    let mut ours = sss(KEYTAB, "0.13:").unwrap();
    let packet = ours.start().unwrap();
    assert_eq!(packet[..16], bytes("73737300000000306b017f5e00000001"));
    let clear = cipher::tests::open(&ours.key.value, &packet[16..]).unwrap();
    assert!(said(&clear).iter().all(|(kind, _)| *kind != METHOD));
}

#[test]
fn a_filling_does_not_begin_with_its_end() {
    let ours = sss(KEYTAB, "0.+13:").unwrap();
    let zeros = |bytes: &mut [u8]| {
        bytes.fill(0);
        Ok(())
    };
    let packet = ours.packet(&mut { zeros }).unwrap();
    let clear = cipher::tests::open(&ours.key.value, &packet[24..]).unwrap();
    let filling = said(&clear).into_iter().find(|(kind, _)| *kind == RANDOM).unwrap().1;
    // 128 less the head, three bytes for each kind and length, "nobody\0" and "nogroup\0".
    assert_eq!(filling.len(), 128 - 40 - 3 - 7 - 3 - 8);
    assert_eq!(filling[0], 0xff);
}

#[test]
fn servers_do_not_choose_the_cipher_or_the_file() {
    for arguments in ["", "0", "1.+13:", ".+13:", "00.13:"] {
        assert!(sss(KEYTAB, arguments).is_err(), "{arguments:?}");
    }
    let reason = sss("", "0.+13:/etc/xrootd/sss.keytab").err().unwrap();
    assert!(!reason.contains("/etc/xrootd"), "{reason}");
}

#[test]
fn sockets_are_written_as_the_server_writes_them() {
    // By XrdNetAddrInfo::Format with fmtAdv6.
    for (address, text) in [
        ("192.0.2.1:1094", "[::ffff:192.0.2.1]:1094"),
        ("[::ffff:192.0.2.1]:1094", "[::ffff:192.0.2.1]:1094"),
        ("[2001:db8::1]:65535", "[2001:db8::1]:65535"),
        ("[::1]:1", "[::1]:1"),
    ] {
        assert_eq!(socket(address.parse().unwrap()), text);
    }
}

#[test]
fn nothing_shows_a_key() {
    let value = KEYTAB.split("k:").nth(1).unwrap();
    let shown = format!("{:?}", sss(KEYTAB, "0.+13:").unwrap().key);
    assert!(!shown.contains(&value[..8]) && !shown.contains("110"), "{shown}");
}
