//! Files of web servers: `https://`, `http://`, and WebDAV's `davs://` and `dav://`, which read the same.
//!
//! HTTP/1.1, at most four connections to a host. Many small ranges go into one request
//! (`multipart/byteranges`) where the server answers that; others are requests of their own, in
//! parallel. A file of a server that gives no ranges is read once, whole. Every answer is checked against the size and version of the file as of its opening.
//!
//! Redirects are followed, but not from `https` to `http`. A token is sent over TLS only, only to the host
//! that the URL names, and only once that host has refused to serve without one.

mod client;
mod connection;
mod failure;
mod file;
mod headers;
mod multipart;
mod target;
mod whole;

pub(super) use client::HttpClient;
pub(super) use file::HttpFile;

#[cfg(test)]
mod tests;
