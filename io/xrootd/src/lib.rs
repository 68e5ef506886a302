//! A client of the XRootD protocol, version 5.2, without the C++ library.
//!
//! ```no_run
//! # async fn example() -> Result<(), xrootd::Error> {
//! let client = xrootd::Client::new(xrootd::Config::from_env());
//! let file = client.open(&"root://eospublic.cern.ch//eos/opendata/cms/file.root".parse()?).await?;
//! let head = file.read(0..1024).await?;
//! # drop(head); Ok(())
//! # }
//! ```
//!
//! Layers, each of which knows only the one below: [`Client`] and [`File`] (redirects, recovery, pool) →
//! connection (sockets, TLS, login) → session (bytes in, bytes out; no sockets, no clock) → wire (the
//! structures of `XProtocol.hh`, the specification that servers follow).

pub mod auth;
mod client;
mod config;
mod connection;
mod error;
mod file;
#[doc(hidden)]
pub mod fuzzing;
mod info;
mod locking;
mod pool;
mod reading;
mod session;
mod shown;
pub mod tls;
mod url;
mod wire;

pub use client::Client;
pub use config::{Config, ReadMode};
pub use error::{Cause, Error, ErrorCode, Result};
pub use file::{File, OpenOptions};
pub use info::{Checksum, Entry, Location, Stat};
pub use shown::{is_secret, shown};
pub use url::Url;
