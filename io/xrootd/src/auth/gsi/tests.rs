use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use aes::Aes128Dec;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use rustls_pki_types::PrivateKeyDer;

use super::numbers::PrivateKey;
use super::*;

// The certificates and keys of the folder were made for these tests, and are used nowhere else. They are
// good from 2026-11-21 to 2036.
const NOW: u64 = 1_800_000_000;
const PROXY: &str = include_str!("testdata/proxy.pem");
const AUTHORITY: &str = include_str!("testdata/ca.pem");
const HOST_KEY: &[u8] = include_bytes!("testdata/host-key.pem");
/// Recorded from xrootd and xrdfs 5.5.3: the first packet of the client, that of the server, and the
/// second of the client.
const RECORDED: &str = include_str!("testdata/recorded.txt");
/// What that server says in its list.
const OFFER: &str = "v:10600,c:ssl,ca:f957dc76.0|1c629a66.0";

fn recorded(which: usize) -> Vec<u8> {
    let hex = RECORDED.lines().nth(which).unwrap();
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect()
}

fn recorded_tag() -> [u8; TAG] {
    let packet = recorded(0);
    let main = Packet::read(Packet::read(&packet).unwrap().get(kind::MAIN).unwrap())
        .unwrap()
        .get(kind::TAG)
        .unwrap()
        .to_vec();
    main.try_into().unwrap()
}

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(proxy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("authorities")).unwrap();
        fs::write(folder.path().join("authorities/f957dc76.0"), AUTHORITY).unwrap();
        let path = folder.path().join("proxy");
        fs::write(&path, proxy).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Self { folder }
    }

    fn gsi(&self, now: u64, host: &str, offer: &str) -> Result<Gsi, String> {
        let authorities =
            TlsOptions { folder: Some(self.folder.path().join("authorities")), ..TlsOptions::default() };
        let peer = Peer {
            host,
            address: "127.0.0.1".parse().unwrap(),
            local: "127.0.0.1:35736".parse().unwrap(),
            tls: false,
        };
        Gsi::at(now, (self.folder.path().join("proxy"), false), authorities.without_system(), offer, &peer)
    }
}

/// One that has sent the tag of the recording.
fn asked(place: &Place, host: &str) -> Gsi {
    let mut gsi = place.gsi(NOW, host, OFFER).unwrap();
    gsi.tag = Some(recorded_tag());
    gsi
}

fn counting(bytes: &mut [u8]) -> Option<()> {
    bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
    Some(())
}

fn host_key() -> PrivateKey {
    use rustls_pki_types::pem::PemObject;
    PrivateKey::of_pkcs8(PrivateKeyDer::from_pem_slice(HOST_KEY).unwrap().secret_der()).unwrap()
}

/// The recorded packet of the server with pieces of it exchanged.
fn challenge(step: u32, main: &[(u32, &[u8])], changed: &[(u32, &[u8])]) -> Vec<u8> {
    let whole = recorded(1);
    let packet = Packet::read(&whole).unwrap();
    let main = packet::write(step, main).unwrap();
    let kinds =
        [kind::LIBRARY, kind::MAIN, kind::AGREEMENT, kind::CIPHERS, kind::DIGESTS, kind::CERTIFICATES];
    let pieces: Vec<_> = kinds
        .into_iter()
        .map(|kind| {
            let new = changed.iter().find(|(changed, _)| *changed == kind).map(|(_, content)| *content);
            let old = if kind == kind::MAIN { &main[..] } else { packet.get(kind).unwrap() };
            (kind, new.unwrap_or(old))
        })
        .collect();
    packet::write(step, &pieces).unwrap()
}

#[test]
fn the_first_packet_is_that_of_the_official_client() {
    let place = Place::new(PROXY);
    let mut gsi = place.gsi(NOW, "localhost", OFFER).unwrap();
    let (ours, official) = (gsi.start().unwrap(), recorded(0));
    let (ours, official) = (Packet::read(&ours).unwrap(), Packet::read(&official).unwrap());
    assert_eq!(ours.step, official.step);
    for kind in [kind::LIBRARY, kind::VERSION, kind::OPTIONS] {
        assert_eq!(ours.get(kind), official.get(kind));
    }
    // The official client sends the hash that was usual until 2010 too.
    assert_eq!(official.text(kind::ISSUER).split('|').next(), Some(ours.text(kind::ISSUER).as_str()));
    let main = Packet::read(ours.get(kind::MAIN).unwrap()).unwrap();
    let tag = main.get(kind::TAG).unwrap();
    assert!(tag.len() == TAG && tag.iter().all(|letter| TAG_LETTERS.contains(letter)));
    assert_ne!(gsi.start().unwrap(), gsi.start().unwrap(), "a tag is used once");
}

#[test]
fn a_real_server_is_answered_as_by_the_official_client() {
    let place = Place::new(PROXY);
    let mut gsi = asked(&place, "localhost");
    let (ours, official) = (gsi.answer(&recorded(1)).unwrap(), recorded(2));
    let (ours, official) = (Packet::read(&ours).unwrap(), Packet::read(&official).unwrap());
    assert_eq!(ours.step, official.step);
    for kind in [kind::LIBRARY, kind::CIPHERS, kind::DIGESTS, kind::PUBLIC_KEY] {
        assert_eq!(ours.text(kind), official.text(kind));
    }
    // Both halves of the key, signed with the same proxy, in the same group.
    let key = gsi.proxy.key.public();
    let half = |packet: &Packet<'_>| {
        String::from_utf8(key.recover(packet.get(kind::AGREEMENT).unwrap()).unwrap()).unwrap()
    };
    let (our_half, official_half) = (half(&ours), half(&official));
    let before = |half: &str| half.split("---BPUB---").next().unwrap().to_owned();
    assert_eq!(before(&our_half), before(&official_half));
    assert!(our_half.ends_with("---EPUB---") && official_half.ends_with("---EPUB---"));
    assert_ne!(split(&our_half).unwrap().1, split(&official_half).unwrap().1);
    // The vector, and whole blocks; the same certificates and tags make the same length, but that the
    // official client names the user.
    let sealed = ours.get(kind::MAIN).unwrap().len();
    assert!(sealed % 16 == 0 && official.get(kind::MAIN).unwrap().len().abs_diff(sealed) <= 32);
    // It is asked once.
    assert!(gsi.answer(&recorded(1)).is_err());
}

#[test]
fn the_server_can_read_what_is_sealed() {
    let place = Place::new(PROXY);
    let key = host_key();
    // A half of ours as the server's: the generator's power of a number that we know.
    let half = String::from_utf8(
        key.public().recover(Packet::read(&recorded(1)).unwrap().get(kind::AGREEMENT).unwrap()).unwrap(),
    )
    .unwrap();
    let (group, _) = split(&half).unwrap();
    let servers = numbers::agree(&group, "5", &counting).unwrap();
    let half = format!("{}---BPUB---{}---EPUB---", pem::write("DH PARAMETERS", &group), servers.public);
    let (signed, agreement) = (key.sign(&recorded_tag()).unwrap(), key.sign(half.as_bytes()).unwrap());
    let challenge = challenge(
        step::CERTIFICATE,
        &[(kind::SIGNED_TAG, &signed), (kind::TAG, b"Servers.")],
        &[(kind::AGREEMENT, &agreement)],
    );
    let mut gsi = asked(&place, "localhost");
    let reply = gsi.prove(&challenge, &random).unwrap();
    let reply = Packet::read(&reply).unwrap();
    let half = gsi.proxy.key.public().recover(reply.get(kind::AGREEMENT).unwrap()).unwrap();
    let half = String::from_utf8(half).unwrap();
    let secret = numbers::agree(&group, split(&half).unwrap().1, &counting).unwrap().secret;

    let cipher = Aes128Dec::new_from_slice(&secret[..16]).unwrap();
    let (blocks, _) = reply.get(kind::MAIN).unwrap().as_chunks::<16>();
    let mut clear = Vec::new();
    for pair in blocks.windows(2) {
        let mut block = pair[1].into();
        cipher.decrypt_block(&mut block);
        clear.extend(block.iter().zip(pair[0]).map(|(byte, mask)| byte ^ mask));
    }
    clear.truncate(clear.len() - usize::from(*clear.last().unwrap()));
    let main = Packet::read(&clear).unwrap();
    assert_eq!(main.step, step::PROVE);
    let tag = gsi.proxy.key.public().recover(main.get(kind::SIGNED_TAG).unwrap()).unwrap();
    assert_eq!(tag, b"Servers.");
    // The certificates of the file, the proxy's first, and never the key.
    let chain = main.text(kind::CERTIFICATES);
    let without_key: String = PROXY
        .split_inclusive("-----\n")
        .scan(false, |in_key, part| {
            *in_key |= part.contains("BEGIN PRIVATE KEY");
            let shown = if *in_key { "" } else { part };
            *in_key &= !part.contains("END PRIVATE KEY");
            Some(shown)
        })
        .collect();
    assert_eq!(chain, without_key);
    assert!(!chain.contains("PRIVATE"));
}

#[test]
fn a_server_that_is_another_is_refused() {
    let place = Place::new(PROXY);
    let refused = |gsi: &mut Gsi, challenge: &[u8]| gsi.answer(challenge).unwrap_err().reason;
    let reason = refused(&mut asked(&place, "se.example.org"), &recorded(1));
    assert_eq!(reason, "the certificate of se.example.org is for another host: it names localhost");
    // An old packet, repeated by somebody who has not the key.
    let mut gsi = asked(&place, "localhost");
    gsi.tag = Some(*b"Another.");
    assert_eq!(refused(&mut gsi, &recorded(1)), "the server has not the key of its certificate");
    // No authority that is known, or another time.
    let place = Place::new(PROXY);
    fs::remove_file(place.folder.path().join("authorities/f957dc76.0")).unwrap();
    assert!(
        refused(&mut asked(&place, "localhost"), &recorded(1)).contains("no certificate authority was found")
    );
    let place = Place::new(PROXY);
    let mut late = asked(&place, "localhost");
    late.now = 3_000_000_000;
    assert!(refused(&mut late, &recorded(1)).contains("is expired"));
}

#[test]
fn nothing_is_delegated_and_nothing_long_signed() {
    let place = Place::new(PROXY);
    let key = host_key();
    let signed = key.sign(&recorded_tag()).unwrap();
    let refused = |challenge: &[u8]| asked(&place, "localhost").answer(challenge).unwrap_err().reason;
    let asks = challenge(step::DELEGATE, &[(kind::SIGNED_TAG, &signed), (kind::TAG, b"Servers.")], &[]);
    assert_eq!(refused(&asks), "the server asks to be delegated to, which is refused");
    // Bytes that would make our signature one of something else: of a certificate, say.
    for tag in [&b""[..], b"Server.", b"Servers..", b"\x30\x21\x30\x09\x06\x05\x2b\x0e", &[b'A'; 35]] {
        let challenge = challenge(step::CERTIFICATE, &[(kind::SIGNED_TAG, &signed), (kind::TAG, tag)], &[]);
        assert_eq!(refused(&challenge), "the server's tag is not one");
    }
    let unsigned = challenge(step::CERTIFICATE, &[(kind::TAG, b"Servers.")], &[]);
    assert_eq!(refused(&unsigned), "the server does not sign our tag");
    let half = challenge(
        step::CERTIFICATE,
        &[(kind::SIGNED_TAG, &signed), (kind::TAG, b"Servers.")],
        &[(kind::AGREEMENT, b"-----BEGIN DH PARAMETERS-----")],
    );
    assert_eq!(refused(&half), "the server's half of the key is not signed");
    let cipher = challenge(step::CERTIFICATE, &[], &[(kind::CIPHERS, b"bf-cbc:des-ede3-cbc")]);
    assert_eq!(refused(&cipher), "the server cannot encrypt with aes-128-cbc");
}

#[test]
fn damaged_packets_of_a_server_do_no_harm() {
    let place = Place::new(PROXY);
    let whole = recorded(1);
    for length in (0..whole.len()).step_by(13) {
        assert!(asked(&place, "localhost").answer(&whole[..length]).is_err(), "{length}");
    }
    let mut gsi = asked(&place, "localhost");
    for at in (0..whole.len()).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        gsi.tag = Some(recorded_tag());
        let _ = gsi.prove(&damaged, &counting);
    }
}

#[test]
fn servers_that_are_too_old_or_strange_are_not_asked() {
    let place = Place::new(PROXY);
    for offer in ["", "v:", "v:10300,c:ssl,ca:x", "v:-1,c:ssl", "c:ssl,ca:x", "v:99999999999,c:ssl"] {
        assert!(place.gsi(NOW, "localhost", offer).err().unwrap().contains("older than"), "{offer}");
    }
    assert!(place.gsi(NOW, "localhost", "v:10600,c:local,ca:x").is_err());
    let old = place.gsi(NOW, "localhost", "v:10400,c:local|sslnopad,ca:x").unwrap();
    assert_eq!(old.library, "sslnopad");
}

#[test]
fn proxies_that_cannot_be_used_say_why() {
    let reason = |proxy: &str| Place::new(proxy).gsi(NOW, "localhost", OFFER).err().unwrap_or_default();
    assert_eq!(reason(PROXY), "");
    assert!(reason("").ends_with("has no certificate"));
    assert!(reason(AUTHORITY).ends_with("has no key that is not encrypted"));
    assert!(
        reason(&format!("{AUTHORITY}{}", String::from_utf8_lossy(HOST_KEY)))
            .ends_with("not that of its first certificate")
    );
    assert!(reason(&PROXY.replace("MII", "MIJ")).contains("damaged"));
    let late = Place::new(PROXY).gsi(2_100_000_000, "localhost", OFFER).err().unwrap();
    assert!(
        late.ends_with("expired on 2036-01-06 19:51 UTC: make a new one, with voms-proxy-init for instance"),
        "{late}"
    );
    let place = Place::new(PROXY);
    fs::set_permissions(place.folder.path().join("proxy"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(place.gsi(NOW, "localhost", OFFER).err().unwrap().contains("chmod 600"));
    fs::remove_file(place.folder.path().join("proxy")).unwrap();
    assert!(place.gsi(NOW, "localhost", OFFER).err().unwrap().contains("X509_USER_PROXY names the file"));
}

#[test]
fn the_key_is_shown_by_nothing() {
    let place = Place::new(PROXY);
    let shown = format!("{:?}", place.gsi(NOW, "localhost", OFFER).unwrap().proxy);
    assert_eq!(shown, "Proxy { issuer: \"f957dc76\", .. }");
}

#[test]
fn the_proxy_is_where_it_is_on_grids() {
    let (path, owner) = proxy::place(|_| None, 1234);
    assert!(path == Path::new("/tmp/x509up_u1234") && owner == Owner::Us);
    let (path, owner) = proxy::place(|name| (name == "X509_USER_PROXY").then(|| "/home/p".into()), 1234);
    assert!(path == Path::new("/home/p") && owner == Owner::Anyone);
}
