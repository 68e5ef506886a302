//! The servers that `tests/python/xrootd/bed.py` runs, which tells of them in the file that `XROOTD_BED` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use xrootd::auth::Credentials;
use xrootd::tls::TlsOptions;
use xrootd::{Client, Config, ReadMode, Url};

use crate::skip::skip;

/// What is random and 64 MiB large on every server that has data.
pub(crate) const RANDOM: &str = "/random.bin";

/// One server of the bed.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    facts: Value,
}

/// The server of that name. Where there is none, the test that runs is reported as skipped.
pub(crate) fn server(name: &str) -> Option<Server> {
    let facts = std::env::var_os("XROOTD_BED").and_then(|path| {
        let all: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        all.get(name).cloned()
    });
    if facts.is_none() {
        // The harness names the thread by the test.
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        skip(&format!("xrootd {test}: there is no server {name}"));
    }
    Some(Server { name: name.to_owned(), facts: facts? })
}

impl Server {
    /// Something that is known of it.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.facts[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    pub(crate) fn port(&self) -> u16 {
        self.facts["port"].as_u64().unwrap().try_into().unwrap()
    }

    pub(crate) fn pid(&self) -> u64 {
        self.facts["pid"].as_u64().unwrap()
    }

    /// A server of a cluster.
    pub(crate) fn member(&self, name: &str) -> Self {
        Self { name: name.to_owned(), facts: self.facts[name].clone() }
    }

    /// Of an absolute path.
    pub(crate) fn url(&self, path: &str) -> Url {
        format!("{}{path}", self.text("url")).parse().unwrap()
    }

    /// The same over TLS from the first request on.
    pub(crate) fn encrypted(&self, path: &str) -> Url {
        Url { tls: true, ..self.url(path) }
    }

    /// Where a path is on disk.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        Path::new(self.text("data")).join(path.trim_start_matches('/'))
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }

    /// What a client needs to be let in: authorities, token, keys.
    pub(crate) fn config(&self) -> Config {
        let mut credentials = Credentials::default();
        if let Some(token) = self.facts["token"].as_str() {
            credentials = credentials.with_token_file(token);
        }
        if let Some(keytab) = self.facts["keytab"].as_str() {
            credentials = credentials.with_keytab(keytab);
        }
        let folder = self.facts["ca"].as_str().map(PathBuf::from);
        let tls = TlsOptions { system: false, folder, file: None, identity: None };
        if let Some(proxy) = self.facts["proxy"].as_str() {
            credentials = credentials.with_proxy(proxy).with_authorities(tls.clone());
        }
        Config { tls, credentials: Arc::new(credentials), ..Config::default() }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.config())
    }

    pub(crate) fn client_that_reads(&self, read_mode: ReadMode) -> Client {
        Client::new(Config { read_mode, ..self.config() })
    }

    /// What the official client says.
    pub(crate) fn xrdfs(&self, arguments: &[&str]) -> String {
        let output =
            std::process::Command::new("xrdfs").arg(self.text("url")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
