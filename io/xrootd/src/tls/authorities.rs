//! Whom we trust: the system's authorities, and a folder of them as grids keep it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::TlsOptions;

/// A file with one authority has some kilobytes, one with all of them a few hundred.
const LARGEST_FILE: u64 = 8 << 20;
/// Grids have a few hundred, in three files each.
const MOST_FILES: usize = 10_000;

pub(super) struct Authorities {
    pub(super) roots: RootCertStore,
    /// Where they came from, for errors: `/etc/grid-security/certificates (96)`.
    pub(super) searched: String,
}

impl Authorities {
    pub(super) fn load(options: &TlsOptions) -> Result<Self, String> {
        let mut gathering =
            Gathering { roots: RootCertStore::empty(), seen: HashSet::new(), places: Vec::new() };
        if options.system {
            gathering.system();
        }
        if let Some(folder) = &options.folder {
            gathering.folder(folder);
        }
        if let Some(file) = &options.file {
            gathering.file(file);
        }
        let searched = gathering.places.join(", ");
        if gathering.roots.is_empty() {
            return Err(format!(
                "no certificate authority was found: searched {}; X509_CERT_DIR names a folder of them, \
                 SSL_CERT_FILE a file",
                if searched.is_empty() { "nowhere" } else { &searched }
            ));
        }
        Ok(Self { roots: gathering.roots, searched })
    }
}

struct Gathering {
    roots: RootCertStore,
    /// Grid folders have each certificate under two or three names.
    seen: HashSet<Vec<u8>>,
    places: Vec<String>,
}

impl Gathering {
    /// Those of a list that are new and can be trusted, and how many cannot.
    fn take(&mut self, certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> (usize, usize) {
        let (mut known, mut unusable) = (0, 0);
        for certificate in certificates {
            if self.seen.contains(certificate.as_ref()) {
                continue;
            }
            match self.roots.add(certificate.clone()) {
                Ok(()) => known += 1,
                Err(_) => unusable += 1,
            }
            self.seen.insert(certificate.as_ref().to_vec());
        }
        (known, unusable)
    }

    fn place(&mut self, name: &str, (known, unusable): (usize, usize), error: Option<&io::Error>) {
        let mut text = format!("{name} ({known}");
        if unusable > 0 {
            text.push_str(&format!(", and {unusable} that cannot be used"));
        }
        if let Some(error) = error {
            text.push_str(&format!(", {error}"));
        }
        text.push(')');
        self.places.push(text);
    }

    fn system(&mut self) {
        let found = rustls_native_certs::load_native_certs();
        let unreadable = found.errors.len();
        let (known, unusable) = self.take(found.certs);
        self.place("the system's authorities", (known, unusable + unreadable), None);
    }

    fn folder(&mut self, folder: &Path) {
        let name = folder.display().to_string();
        let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
            Ok(entries) => entries.take(MOST_FILES).flatten().map(|entry| entry.path()).collect(),
            Err(error) => return self.place(&name, (0, 0), Some(&error)),
        };
        paths.retain(|path| holds_an_authority(path));
        paths.sort();
        let (mut known, mut unusable) = (0, 0);
        for path in paths {
            let (certificates, damaged) = read(&path).unwrap_or((Vec::new(), 1));
            let taken = self.take(certificates);
            known += taken.0;
            unusable += taken.1 + damaged;
        }
        self.place(&name, (known, unusable), None);
    }

    fn file(&mut self, file: &Path) {
        let name = file.display().to_string();
        match read(file) {
            Ok((certificates, damaged)) => {
                let (known, unusable) = self.take(certificates);
                self.place(&name, (known, unusable + damaged), None);
            }
            Err(error) => self.place(&name, (0, 0), Some(&error)),
        }
    }
}

/// Whether a file of the folder is an authority's by its name: `abcd1234.0` or `CERN-Root-2.pem`, not
/// `abcd1234.r0`, which is a revocation list, nor `abcd1234.signing_policy`.
fn holds_an_authority(path: &Path) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
        extension == "pem" || (!extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The certificates of a file, and how many sections of it are damaged; a file with none is one damaged.
fn read(path: &Path) -> io::Result<(Vec<CertificateDer<'static>>, usize)> {
    let mut pem = Vec::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    file.take(LARGEST_FILE).read_to_end(&mut pem)?;
    let (mut certificates, mut damaged) = (Vec::new(), 0);
    for section in CertificateDer::pem_slice_iter(&pem) {
        match section {
            Ok(certificate) => certificates.push(certificate),
            Err(_) => damaged += 1,
        }
    }
    if certificates.is_empty() {
        damaged = damaged.max(1);
    }
    Ok((certificates, damaged))
}
