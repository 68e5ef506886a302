//! Parquet files, read through arrow-rs's `parquet` crate.
//!
//! A file has one table, whose name nobody asks for; its **row groups** are the clusters, and one
//! column's part of a row group is a **column chunk** of **pages**.
//!
//! * `footer` and `schema` say which columns there are: flat numbers, lists, strings, and the members
//!   of records, under the names that NanoAOD would give them;
//! * `plan` says which chunks, or with an offset index which pages, a range of entries needs;
//! * `decode` hands exactly those bytes to the `parquet` crate, and makes its arrays ours.
//!
//! The crate trusts some of the numbers that a file states. `thrift` reads them first: `footer` and
//! `pages` refuse what would take memory out of proportion, `levels` what would have no end, `guard` catches
//! what panics.
//!
//! The format: <https://parquet.apache.org/docs/file-format/>, with the structures of
//! `parquet.thrift` in apache/parquet-format.

mod chunks;
mod decode;
mod file;
mod footer;
mod guard;
mod index;
mod levels;
mod nested;
mod pages;
mod plan;
mod schema;
mod thrift;

pub use file::{ParquetFile, TABLE};
