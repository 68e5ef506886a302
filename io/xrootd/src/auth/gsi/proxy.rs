//! The file in which a proxy is: a certificate that we made for ourselves, its key, and those that
//! vouch for it (RFC 3820).

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::numbers::{PrivateKey, PublicKey};
use super::{name, pem};
use crate::auth::private::{self, Owner, Reader};
use crate::tls::der::{OBJECT_ID, OCTETS, SEQUENCE, Values};
use crate::tls::{Summary, date};

const LARGEST: usize = 1 << 20;
/// Proxies of proxies of proxies are not longer.
const MOST: usize = 32;

/// Who we are to a server. The key is shown by nothing.
pub(super) struct Proxy {
    pub(super) key: PrivateKey,
    /// The certificates but for authorities, in PEM, the proxy's first.
    pub(super) chain: String,
    /// How many they are.
    pub(super) length: usize,
    /// The key that is in the proxy's certificate, in PEM.
    pub(super) public: String,
    /// The hash of the authority that vouches for all of it.
    pub(super) issuer: String,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The file that `X509_USER_PROXY` names, or `/tmp/x509up_u$UID`.
pub(super) fn place(variable: impl Fn(&str) -> Option<OsString>, user: u32) -> (PathBuf, Owner) {
    match variable("X509_USER_PROXY").filter(|value| !value.is_empty()) {
        Some(path) => (path.into(), Owner::Anyone),
        None => (format!("/tmp/x509up_u{user}").into(), Owner::Us),
    }
}

impl Proxy {
    pub(super) fn load(path: &Path, owner: Owner, now: u64) -> Result<Self, String> {
        let name = path.display();
        let bytes = private::read(path, LARGEST, owner, Reader::Us)
            .map_err(|reason| format!("the proxy {name} is not used: {reason}"))?
            .ok_or_else(|| {
                format!("there is no proxy: {name} was looked for; X509_USER_PROXY names the file")
            })?;
        Self::parse(&bytes, now).map_err(|reason| format!("the proxy {name} {reason}"))
    }

    /// The errors do not quote what is there.
    fn parse(bytes: &[u8], now: u64) -> Result<Self, String> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(bytes)
            .take(MOST)
            .collect::<Result<_, _>>()
            .map_err(|_| "has a damaged certificate")?;
        let parsed: Option<Vec<Parsed<'_>>> = certificates.iter().map(Parsed::of).collect();
        let parsed = parsed.ok_or("has a damaged certificate")?;
        let proxy = parsed.first().ok_or("has no certificate")?;
        for certificate in &parsed {
            if certificate.not_after.is_some_and(|end| end <= now) {
                let end = date(certificate.not_after.unwrap_or_default());
                return Err(format!("expired on {end}: make a new one, with voms-proxy-init for instance"));
            }
        }
        let key =
            match PrivateKeyDer::from_pem_slice(bytes).map_err(|_| "has no key that is not encrypted")? {
                PrivateKeyDer::Pkcs1(der) => PrivateKey::of_pkcs1(der.secret_pkcs1_der()),
                PrivateKeyDer::Pkcs8(der) => PrivateKey::of_pkcs8(der.secret_pkcs8_der()),
                _ => None,
            };
        let key = key.ok_or("has a key that is damaged or not of RSA")?;
        if PublicKey::of(proxy.key).is_none_or(|public| public != *key.public()) {
            return Err("has a key that is not that of its first certificate".to_owned());
        }
        // From the proxy to whom it stands for, as far as the file goes.
        let (mut chain, mut last, mut length) = (pem::write("CERTIFICATE", proxy.whole), proxy, 1);
        while let Some(next) = parsed.iter().find(|next| next.subject == last.issuer && !next.authority) {
            if length == parsed.len() {
                return Err("has certificates that vouch for each other".to_owned());
            }
            chain.push_str(&pem::write("CERTIFICATE", next.whole));
            (last, length) = (next, length + 1);
        }
        let issuer = name::hash(last.issuer).ok_or("has a damaged certificate")?;
        Ok(Self { key, chain, length, public: pem::write("PUBLIC KEY", proxy.key), issuer })
    }
}

struct Parsed<'a> {
    whole: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    key: &'a [u8],
    /// Whether it may vouch for others.
    authority: bool,
    not_after: Option<u64>,
}

impl<'a> Parsed<'a> {
    fn of(certificate: &'a CertificateDer<'_>) -> Option<Self> {
        let whole = certificate.as_ref();
        let mut fields = Values(whole).expect(SEQUENCE)?.expect(SEQUENCE)?;
        if fields.next()?.tag == 0xa0 {
            fields.next()?; // the serial number, behind the version
        }
        fields.expect(SEQUENCE)?; // the algorithm
        let issuer = fields.next()?.whole;
        fields.expect(SEQUENCE)?; // from when to when
        let (subject, key) = (fields.next()?.whole, fields.next()?.whole);
        let extensions = fields.find(|value| value.tag == 0xa3).map(|value| value.content);
        let authority = extensions.is_some_and(|extensions| is_authority(extensions).unwrap_or(false));
        let not_after = Summary::of(certificate)?.not_after;
        Some(Self { whole, issuer, subject, key, authority, not_after })
    }
}

/// The public key of a certificate, as DER.
pub(super) fn public_key<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    Parsed::of(certificate).map(|parsed| parsed.key)
}

/// By the extension `basicConstraints` (RFC 5280, section 4.2.1.9).
fn is_authority(extensions: &[u8]) -> Option<bool> {
    const BOOLEAN: u8 = 0x01;
    for extension in Values(extensions).expect(SEQUENCE)? {
        let mut parts = Values(extension.content);
        if parts.content(OBJECT_ID)? == [0x55, 0x1d, 19] {
            let octets = parts.find(|value| value.tag == OCTETS)?;
            let first = Values(octets.content).expect(SEQUENCE)?.next();
            return Some(first.is_some_and(|value| value.tag == BOOLEAN && value.content != [0]));
        }
    }
    Some(false)
}
