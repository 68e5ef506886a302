//! An x509 proxy, for servers of the grid (`XrdSecProtocolgsi.cc`, version 10400 and later).
//!
//! Three packets: we ask for the server's certificate with a tag of ours; it sends the certificate, our
//! tag signed, a tag of its own, and its half of an agreement on a key, signed; we verify that, and send
//! our proxy's certificates and the server's tag signed, encrypted with that key. The key is used for
//! nothing else, so the certificates are all that it hides.
//!
//! Nothing is ever delegated: we offer none of it, and refuse the packet that asks for it. Servers that do
//! not sign their half (before 10400, of 2018) are refused. Revocation lists are not read.

mod cipher;
mod name;
mod numbers;
mod packet;
mod pem;
mod proxy;

use std::env;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::private::Owner;
use super::{Method, Peer, Refusal};
use crate::tls::{self, TlsOptions};
use numbers::PublicKey;
use packet::{Packet, kind, step};
use proxy::Proxy;

/// The version that we speak.
const VERSION: u32 = 10600;
/// The first in which both sides sign their half of the agreement.
const SIGNED: u32 = 10400;
/// The first that takes a certificate that is no proxy.
const WITHOUT_PROXY: u32 = 10600;
/// "We send a proxy": that of the flags that is no delegation.
const SENDS_PROXY: u32 = 0x80;
const CIPHER: &str = "aes-128-cbc";
const IV: usize = 16;
const TAG: usize = 8;
const TAG_LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./";

type Random<'a> = dyn Fn(&mut [u8]) -> Option<()> + 'a;

pub(super) struct Gsi {
    proxy: Proxy,
    host: String,
    authorities: TlsOptions,
    /// As the server has it: `ssl`, or `sslnopad` if the key loses zeros in front.
    library: String,
    tag: Option<[u8; TAG]>,
    /// When we began, in seconds since 1970.
    now: u64,
}

/// Where the proxy is, by the environment.
pub(super) fn proxy_place() -> (PathBuf, bool) {
    let (path, owner) = proxy::place(|name| env::var_os(name), nix::unistd::geteuid().as_raw());
    (path, owner == Owner::Us)
}

impl Gsi {
    /// `arguments` are those of the server: `v:10600,c:ssl,ca:bb74b9b4.0|e974420c.0`. What it says of its
    /// authority is not used: its certificate says it better.
    pub(super) fn new(
        place: (PathBuf, bool),
        authorities: TlsOptions,
        arguments: &str,
        peer: &Peer<'_>,
    ) -> Result<Self, String> {
        Self::at(now(), place, authorities, arguments, peer)
    }

    fn at(
        now: u64,
        (path, ours): (PathBuf, bool),
        authorities: TlsOptions,
        arguments: &str,
        peer: &Peer<'_>,
    ) -> Result<Self, String> {
        let field = |key: &str| arguments.split(',').find_map(|field| field.trim().strip_prefix(key));
        let version = field("v:").and_then(|text| text.parse::<u32>().ok()).unwrap_or_default();
        if version < SIGNED {
            return Err(format!(
                "the server's version of it ({version}) is older than this client takes ({SIGNED})"
            ));
        }
        let libraries = field("c:").unwrap_or("ssl");
        let library = libraries.split('|').find(|library| matches!(*library, "ssl" | "sslnopad"));
        let library =
            library.ok_or("the server has none of the cryptographic libraries that this client can do as")?;
        let owner = if ours { Owner::Us } else { Owner::Anyone };
        let proxy = Proxy::load(&path, owner, now)?;
        if proxy.length < 2 && version < WITHOUT_PROXY {
            return Err("the server takes proxies only, and the file holds one certificate".to_owned());
        }
        let (host, library) = (peer.host.to_owned(), library.to_owned());
        Ok(Self { proxy, host, authorities, library, tag: None, now })
    }

    fn ask(&mut self, random: &Random<'_>) -> Option<Vec<u8>> {
        let tag = tag(random)?;
        let main = packet::write(step::ASK, &[(kind::TAG, &tag)])?;
        self.tag = Some(tag);
        let options = if self.proxy.length < 2 { 0 } else { SENDS_PROXY };
        packet::write(
            step::ASK,
            &[
                (kind::LIBRARY, self.library.as_bytes()),
                (kind::VERSION, &VERSION.to_be_bytes()),
                (kind::ISSUER, format!("{}.0", self.proxy.issuer).as_bytes()),
                (kind::OPTIONS, &options.to_be_bytes()),
                (kind::MAIN, &main),
            ],
        )
    }

    fn prove(&mut self, challenge: &[u8], random: &Random<'_>) -> Result<Vec<u8>, String> {
        const DAMAGED: &str = "the server's packet makes no sense";
        let packet = Packet::read(challenge).ok_or(DAMAGED)?;
        match packet.step {
            step::CERTIFICATE => {}
            step::DELEGATE => return Err("the server asks to be delegated to, which is refused".to_owned()),
            _ => return Err(DAMAGED.to_owned()),
        }
        let tag = self.tag.take().ok_or("the server asks for more than this method has")?;
        let has = |kind, wanted: &str| packet.text(kind).split(':').any(|name| name == wanted);
        if !has(kind::CIPHERS, CIPHER) {
            return Err(format!("the server cannot encrypt with {CIPHER}"));
        }

        // Who it is, before anything of ours is made for it.
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(packet.get(kind::CERTIFICATES).ok_or(DAMAGED)?)
                .take(10)
                .collect::<Result<_, _>>()
                .map_err(|_| DAMAGED)?;
        let (certificate, others) = chain.split_first().ok_or("the server sends no certificate")?;
        tls::verify(&self.authorities, certificate, others, &self.host, self.now)?;
        let key = proxy::public_key(certificate).and_then(PublicKey::of);
        let key = key.ok_or("the server's certificate has a key that this method cannot use")?;
        let main = Packet::read(packet.get(kind::MAIN).ok_or(DAMAGED)?).ok_or(DAMAGED)?;
        let signed = main.get(kind::SIGNED_TAG).ok_or("the server does not sign our tag")?;
        if key.recover(signed).is_none_or(|signed| signed != tag) {
            return Err("the server has not the key of its certificate".to_owned());
        }
        // A tag is eight letters. What is longer could be the digest of something else, which we would sign.
        let theirs =
            main.get(kind::TAG).filter(|tag| tag.len() == TAG && tag.iter().all(u8::is_ascii_graphic));
        let theirs = theirs.ok_or("the server's tag is not one")?;

        let half = key.recover(packet.get(kind::AGREEMENT).ok_or(DAMAGED)?);
        let half = half
            .and_then(|half| String::from_utf8(half).ok())
            .ok_or("the server's half of the key is not signed")?;
        let (group, number) = split(&half).ok_or(DAMAGED)?;
        let agreement = numbers::agree(&group, number, random);
        let agreement = agreement.ok_or("no key can be agreed on in the group that the server proposes")?;
        let ours = format!("{}---BPUB---{}---EPUB---", pem::write("DH PARAMETERS", &group), agreement.public);

        const UNSIGNED: &str = "the proxy's key cannot sign";
        let reply_tag = self::tag(random).ok_or(NO_RANDOM)?;
        let inner = packet::write(
            step::PROVE,
            &[
                (kind::SIGNED_TAG, &self.proxy.key.sign(theirs).ok_or(UNSIGNED)?),
                (kind::CERTIFICATES, self.proxy.chain.as_bytes()),
                (kind::TAG, &reply_tag),
            ],
        );
        let mut iv = [0; IV];
        random(&mut iv).ok_or(NO_RANDOM)?;
        // Old libraries drop zeros in front of the secret, of which the key is the beginning.
        let mut secret = agreement.secret.as_slice();
        while let [0, rest @ ..] = secret
            && self.library.ends_with("nopad")
        {
            secret = rest;
        }
        let sealed = inner.and_then(|inner| cipher::seal(secret.first_chunk()?, iv, &inner));
        let digest =
            if has(kind::DIGESTS, "sha256") { "sha256".to_owned() } else { packet.text(kind::DIGESTS) };
        let reply = packet::write(
            step::PROVE,
            &[
                (kind::LIBRARY, self.library.as_bytes()),
                (kind::MAIN, &sealed.ok_or("the agreed key is too short")?),
                (kind::CIPHERS, format!("{CIPHER}#{IV}").as_bytes()),
                (kind::DIGESTS, digest.split(':').next().unwrap_or("sha256").as_bytes()),
                (kind::AGREEMENT, &self.proxy.key.sign(ours.as_bytes()).ok_or(UNSIGNED)?),
                (kind::PUBLIC_KEY, self.proxy.public.as_bytes()),
            ],
        );
        reply.ok_or_else(|| "the proxy is too long".to_owned())
    }
}

const NO_RANDOM: &str = "no random bytes are to be had";

/// The group, in DER, and the number of the other side's half:
/// `-----BEGIN DH PARAMETERS-----…---BPUB---0123…---EPUB---`.
fn split(half: &str) -> Option<(Vec<u8>, &str)> {
    let (group, rest) = half.split_once("---BPUB---")?;
    let (number, _) = rest.split_once("---EPUB--")?;
    Some((pem::read("DH PARAMETERS", group)?, number))
}

fn tag(random: &Random<'_>) -> Option<[u8; TAG]> {
    let mut tag = [0; TAG];
    random(&mut tag)?;
    Some(tag.map(|byte| TAG_LETTERS.get(usize::from(byte & 63)).copied().unwrap_or(b'.')))
}

fn random(bytes: &mut [u8]) -> Option<()> {
    rustls::crypto::ring::default_provider().secure_random.fill(bytes).ok()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Method for Gsi {
    fn name(&self) -> &'static str {
        "gsi"
    }

    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        self.ask(&random).ok_or_else(|| refusal(NO_RANDOM.to_owned()))
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.prove(challenge, &random).map_err(refusal)
    }
}

fn refusal(reason: String) -> Refusal {
    Refusal { method: "gsi".to_owned(), reason }
}

#[cfg(test)]
mod tests;
