//! Simple shared secrets: a key that we and the server both have (`XrdSecProtocolsss.cc`,
//! `XrdSecsssRR.hh`).
//!
//! The packet says who we are, when it was made and from which socket, encrypted with the key; the server
//! takes it for some seconds and from that socket only. What is said of us, `nobody`, matters only
//! for keys of `anybody` and `allusers`; other keys have their user at the server.

mod cipher;
pub(super) mod keytab;

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Method, Peer, Refusal};
use keytab::Key;

/// Blowfish, the only cipher that there is.
const BLOWFISH: &str = "0";
/// Seconds from 1970 to what the packet counts from.
const EPOCH: u64 = 1_222_183_880;
/// Random bytes fill what is said of us up to this length.
const LEAST: usize = 128;
const HEAD: usize = 40;

// The kinds of things that are said.
const NAME: u8 = 0x01;
const GROUPS: u8 = 0x04;
const ENDORSEMENTS: u8 = 0x05;
const RANDOM: u8 = 0x07;
const METHOD: u8 = 0x08;
const HOST: u8 = 0x20;

pub(super) struct Sss {
    key: Key,
    /// The server reads the second version of the packet.
    second: bool,
    local: SocketAddr,
    endorsements: Option<String>,
}

impl Sss {
    /// `arguments` are those of the server: the cipher, the version, the seconds for which a packet is
    /// good, and a file with keys, `0.+13:/etc/xrootd/sss.keytab`. That file is not read: which file of
    /// ours is opened is not for a server to say.
    pub(super) fn new(keytab: &Path, arguments: &str, peer: &Peer<'_>) -> Result<Self, String> {
        let (cipher, rest) = arguments.split_once('.').ok_or("the server's settings for it make no sense")?;
        if cipher != BLOWFISH {
            return Err("the server wants a cipher that this client does not have".to_owned());
        }
        let key = keytab::first(keytab, now())?;
        let endorsements = env::var("XrdSecsssENDORSEMENT").ok().filter(|text| !text.is_empty());
        Ok(Self { key, second: rest.starts_with('+'), local: peer.local, endorsements })
    }

    fn packet(&self, random: &mut dyn FnMut(&mut [u8]) -> Result<(), String>) -> Result<Vec<u8>, String> {
        let mut clear = vec![0; 32];
        random(&mut clear)?;
        // The clock of the packet ends in 2038 and 38 years more; it may go round.
        let made = now().saturating_sub(EPOCH) as u32;
        clear.extend(made.to_be_bytes());
        clear.extend([0; 4]);
        say(&mut clear, HOST, &ended(&socket(self.local)))?;
        let said = clear.len();
        say(&mut clear, NAME, b"nobody\0")?;
        say(&mut clear, GROUPS, b"nogroup\0")?;
        if let Some(endorsements) = &self.endorsements {
            say(&mut clear, ENDORSEMENTS, &ended(endorsements))?;
        }
        let length = HEAD + (clear.len() - said);
        if length < LEAST {
            let mut filling = vec![0; LEAST - length];
            random(&mut filling)?;
            // A text that begins with its end is refused.
            if let Some(first) = filling.first_mut().filter(|first| **first == 0) {
                *first = 0xff;
            }
            say(&mut clear, RANDOM, &filling)?;
        }
        if self.second {
            say(&mut clear, METHOD, b"sss\0")?;
        }
        let mut name = Vec::new();
        if self.second {
            name.extend(self.key.name.as_bytes());
            name.resize(name.len() / 8 * 8 + 8, 0);
        }
        let mut packet = b"sss\0\0\0".to_vec();
        packet.push(u8::try_from(name.len()).map_err(|_| "the name of the key is too long")?);
        packet.extend(BLOWFISH.as_bytes());
        packet.extend(self.key.number.to_be_bytes());
        packet.extend(name);
        packet.extend(cipher::seal(&self.key.value, clear));
        Ok(packet)
    }
}

impl Method for Sss {
    fn name(&self) -> &'static str {
        "sss"
    }

    fn start(&mut self) -> Result<Vec<u8>, Refusal> {
        let random = rustls::crypto::ring::default_provider().secure_random;
        self.packet(&mut |bytes| random.fill(bytes).map_err(|_| "no random bytes are to be had".to_owned()))
            .map_err(|reason| Refusal { method: "sss".to_owned(), reason })
    }
}

/// A kind, a length and that many bytes.
fn say(packet: &mut Vec<u8>, kind: u8, text: &[u8]) -> Result<(), String> {
    let length = u16::try_from(text.len()).map_err(|_| "what is to be said is too long")?;
    packet.push(kind);
    packet.extend(length.to_be_bytes());
    packet.extend(text);
    Ok(())
}

fn ended(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// As the server writes it, to compare: an address of version 4 within one of version 6.
fn socket(local: SocketAddr) -> String {
    let address = match local.ip() {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    };
    format!("[{address}]:{}", local.port())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

#[cfg(test)]
mod tests;
