//! The library's verifier, with words for what it refuses.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::{Summary, date};

/// Verifies as [`WebPkiServerVerifier`] does, and tells more of what it refuses: the library's errors
/// do not name the issuer that is missing.
#[derive(Debug)]
pub(super) struct Explaining {
    verifier: Arc<WebPkiServerVerifier>,
    searched: String,
}

impl Explaining {
    pub(super) fn new(verifier: Arc<WebPkiServerVerifier>, searched: String) -> Self {
        Self { verifier, searched }
    }

    fn problem(&self, error: &CertificateError, chain: &[&CertificateDer<'_>]) -> Option<String> {
        let summaries: Vec<Summary> = chain.iter().map_while(|der| Summary::of(der)).collect();
        let host = summaries.first();
        Some(match error {
            CertificateError::ExpiredContext { time, not_after } => {
                // Any of the chain may be the one; the library does not say which.
                let whose = match host {
                    Some(host) if host.not_after == Some(not_after.as_secs()) => String::new(),
                    _ => " or of one that vouches for it".to_owned(),
                };
                format!(
                    "is expired: the time{whose} ended on {}, and this machine has {}",
                    date(not_after.as_secs()),
                    date(time.as_secs())
                )
            }
            CertificateError::NotValidYetContext { time, not_before } => format!(
                "is not valid yet: its time begins on {}, and this machine has {}",
                date(not_before.as_secs()),
                date(time.as_secs())
            ),
            CertificateError::NotValidForNameContext { presented, .. } => {
                // The library writes DnsName("…") and IpAddress(…) as Rust would.
                let names = host.map(|host| &host.names).filter(|names| !names.is_empty());
                match names.unwrap_or(presented).as_slice() {
                    [] => "is for no host: it has no name in it".to_owned(),
                    names => format!("is for another host: it names {}", list(names)),
                }
            }
            CertificateError::UnknownIssuer => match host {
                Some(host) if host.issuer == host.subject => {
                    format!(
                        "is self-signed, by {}, and not among those trusted: {}",
                        host.issuer, self.searched
                    )
                }
                Some(host) => {
                    // The last of those sent is where the chain to an authority broke off.
                    let last = summaries.last().unwrap_or(host);
                    format!(
                        "is issued by {}, and no authority trusted here vouches for that: searched {}",
                        last.issuer, self.searched
                    )
                }
                None => return None,
            },
            CertificateError::BadSignature => "has a wrong signature".to_owned(),
            CertificateError::BadEncoding => "is damaged".to_owned(),
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                let whose = host.map_or_else(String::new, |host| format!(" ({})", host.subject));
                format!("is that of an authority{whose}, which cannot be a server's own")
            }
            _ => return None,
        })
    }
}

/// At most ten names: certificates of content networks have hundreds.
fn list(names: &[String]) -> String {
    match names.get(..10) {
        Some(first) if names.len() > 10 => format!("{} and {} more", first.join(", "), names.len() - 10),
        _ => names.join(", "),
    }
}

impl ServerCertVerifier for Explaining {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| {
            let Error::InvalidCertificate(reason) = &error else { return error };
            let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).take(10).collect();
            match self.problem(reason, &chain) {
                Some(text) => {
                    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Problem(text)))))
                }
                None => error,
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What is wrong with a certificate, to be read after "the certificate of HOST".
#[derive(Debug)]
pub(super) struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}
