//! TLS as storage needs it: whom we trust, and errors that say what is wrong with a certificate.
//!
//! The certificate and the host's name are always verified; nothing here can turn that off.
//! Revocation lists are not read.

mod authorities;
mod certificate;
pub(crate) mod der;
mod identity;
mod verifier;

use std::env;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::{ClientConfig, Error};
use rustls_pki_types::ServerName;
#[cfg(feature = "gsi")]
use {
    rustls::client::danger::ServerCertVerifier,
    rustls_pki_types::{CertificateDer, UnixTime},
};

use authorities::Authorities;
#[cfg(feature = "gsi")]
pub(crate) use certificate::Summary;
pub(crate) use certificate::date;
use verifier::{Explaining, Problem};

/// Where grids put the certificates of their authorities.
const GRID_FOLDER: &str = "/etc/grid-security/certificates";
/// Authorities come and go, and an identity is renewed; none of it within minutes.
const KEPT: Duration = Duration::from_secs(3600);
/// One process uses one set of options, or one for `root` and one for `https`.
const MOST_KEPT: usize = 8;

/// Which authorities are trusted to say who a server is, and who we are.
///
/// A folder or file that is named is trusted *instead of* the system's authorities, as by the official
/// client: who names one means that set and no other. [`TlsOptions::system`] adds the system's, for
/// `https`, where storage has certificates of both kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// Whether the authorities of the system are trusted (`SSL_CERT_FILE` and `SSL_CERT_DIR` name
    /// others than the system's).
    pub system: bool,
    /// A folder with an authority per file, `*.0`, `*.1`, … or `*.pem`. One that is missing counts as
    /// empty, and files of it that hold no certificate are passed over.
    pub folder: Option<PathBuf>,
    /// A file with authorities one after another.
    pub file: Option<PathBuf>,
    /// A file with a certificate, those that vouch for it, and its key, which is shown to servers
    /// that ask for one: a proxy, for instance. Never taken from the environment.
    pub identity: Option<PathBuf>,
}

impl Default for TlsOptions {
    /// The authorities of the system and of the grid.
    fn default() -> Self {
        Self { system: true, folder: Some(GRID_FOLDER.into()), file: None, identity: None }
    }
}

impl TlsOptions {
    /// Those that `X509_CERT_DIR` and `X509_CERT_FILE` name, or else the default.
    pub fn from_env() -> Self {
        Self::named_by(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    fn named_by(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        match (variable("X509_CERT_DIR"), variable("X509_CERT_FILE")) {
            (None, None) => Self::default(),
            (folder, file) => Self { system: false, folder, file, identity: None },
        }
    }

    /// The grid's alone: for what only grids have.
    #[must_use]
    pub fn without_system(mut self) -> Self {
        self.system = false;
        self
    }

    /// The same, and the system's authorities too.
    #[must_use]
    pub fn and_system(mut self) -> Self {
        self.system = true;
        self
    }
}

/// What a TLS connection to a server is made with: TLS 1.2 or 1.3, sessions resumed.
///
/// The authorities of a grid are hundreds of files: what was read within the last hour is used again,
/// also for the sake of the sessions that can be resumed.
///
/// # Errors
/// Where no authority is found, in words that name the places searched; where the identity cannot be
/// used.
pub fn client_config(options: &TlsOptions) -> Result<Arc<ClientConfig>, String> {
    recent(options).map(|made| made.config)
}

/// Verifies a certificate that came otherwise than over TLS, as over TLS; the time is in seconds since
/// 1970.
#[cfg(feature = "gsi")]
pub(crate) fn verify(
    options: &TlsOptions,
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    host: &str,
    now: u64,
) -> Result<(), String> {
    let name = server_name(host)?;
    let verified = recent(options)?.verifier.verify_server_cert(
        certificate,
        others,
        &name,
        &[],
        UnixTime::since_unix_epoch(Duration::from_secs(now)),
    );
    verified.map(|_| ()).map_err(|error| explain(&error, host))
}

#[derive(Clone)]
struct Made {
    config: Arc<ClientConfig>,
    #[cfg_attr(not(feature = "gsi"), expect(dead_code, reason = "for `gsi`"))]
    verifier: Arc<Explaining>,
}

fn recent(options: &TlsOptions) -> Result<Made, String> {
    static RECENT: Mutex<Vec<(TlsOptions, Instant, Made)>> = Mutex::new(Vec::new());
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.retain(|(_, since, _)| since.elapsed() < KEPT);
    if let Some((_, _, made)) = recent.iter().find(|(known, _, _)| known == options) {
        return Ok(made.clone());
    }
    let made = make(options)?;
    recent.truncate(MOST_KEPT - 1);
    recent.insert(0, (options.clone(), Instant::now(), made.clone()));
    Ok(made)
}

fn make(options: &TlsOptions) -> Result<Made, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let Authorities { roots, searched } = Authorities::load(options)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| format!("the authorities cannot be used: {error}"))?;
    let verifier = Arc::new(Explaining::new(verifier, searched));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(|error| error.to_string())?
        // "Dangerous" because a verifier may do anything; this one asks the library's own.
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
    let config = match &options.identity {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let (chain, key) = identity::load(path)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| format!("the identity of {} cannot be used: {error}", path.display()))?
        }
    };
    Ok(Made { config: Arc::new(config), verifier })
}

/// A host as a certificate names it: a name, or an address, in brackets or not.
///
/// # Errors
/// Where it is neither.
pub fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // The zone of a link-local address is of no meaning to anybody but this machine.
    let bare = bare.split_once('%').map_or(bare, |(address, _)| address);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned())
        .map_err(|_| format!("{host:?} is neither the name nor the address of a host"))
}

/// What went wrong between us and `host`, for people.
pub fn explain(error: &Error, host: &str) -> String {
    use rustls::CertificateError as Certificate;
    match error {
        Error::InvalidCertificate(Certificate::Other(other)) => match other.0.downcast_ref::<Problem>() {
            Some(problem) => format!("the certificate of {host} {problem}"),
            None => format!("the certificate of {host} is not accepted: {other}"),
        },
        Error::InvalidCertificate(reason) => format!("the certificate of {host} is not accepted: {reason}"),
        Error::AlertReceived(alert) => {
            use rustls::AlertDescription as Alert;
            match alert {
                Alert::CertificateRequired => format!("{host} wants a certificate of ours"),
                Alert::BadCertificate
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied => {
                    format!("{host} does not accept our certificate ({alert:?})")
                }
                Alert::CertificateExpired => format!("{host} finds our certificate expired"),
                Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => {
                    format!("{host} and we have no version or cipher of TLS in common ({alert:?})")
                }
                _ => format!("{host} ended the handshake ({alert:?})"),
            }
        }
        Error::InvalidMessage(_) => format!("{host} does not answer in TLS ({error})"),
        Error::PeerIncompatible(_) => format!("{host} and we have no TLS in common ({error})"),
        _ => format!("the handshake with {host} failed: {error}"),
    }
}

/// The same of the error that a stream over TLS gives, `None` if the failure is not of TLS.
pub fn explain_io(error: &io::Error, host: &str) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<Error>()?;
    Some(explain(inner, host))
}

#[cfg(test)]
mod tests;
