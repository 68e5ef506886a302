//! Our own certificate, where a server asks for one.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

const LARGEST_FILE: u64 = 1 << 20;

/// The certificates and the key of a file as a proxy is: all in one.
pub(super) fn load(path: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let name = path.display();
    let unreadable = |error| format!("the identity {name} cannot be read: {error}");
    let mode = fs::metadata(path).map_err(unreadable)?.mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "the identity {name} can be read by others (mode {:03o}): chmod 600",
            mode & 0o777
        ));
    }
    let mut pem = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST_FILE).read_to_end(&mut pem)).map_err(unreadable)?;
    // The errors of the parser are not passed on: they could quote the key.
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("the identity {name} has a damaged certificate"))?;
    if chain.is_empty() {
        return Err(format!("the identity {name} has no certificate"));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&pem).map_err(|_| format!("the identity {name} has no usable key"))?;
    Ok((chain, key))
}
