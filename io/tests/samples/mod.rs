//! Parquet files, written by arrow-rs.
#![allow(dead_code)] // each test uses some

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, FixedSizeListBuilder, Float32Builder, ListBuilder, StructBuilder, UInt8Builder,
};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

/// Entries of the file, of a row group, and of a page.
pub(crate) const ENTRIES: u64 = 600;
pub(crate) const GROUP: usize = 200;
pub(crate) const PAGE: usize = 25;

/// How many muons an entry has.
pub(crate) fn muons(entry: u64) -> u64 {
    (entry * 7) % 4
}

/// The transverse momentum of a muon.
pub(crate) fn pt(entry: u64, muon: u64) -> f32 {
    entry as f32 + muon as f32 / 4.0
}

/// `run`, `event`, `Muon` with `pt` and lists `hits`, `name`, `bytes` and three numbers `x`.
pub(crate) fn table() -> RecordBatch {
    let item = |data_type| Arc::new(Field::new("element", data_type, false));
    let members = vec![
        Field::new("pt", DataType::Float32, false),
        Field::new("hits", DataType::List(item(DataType::UInt8)), false),
    ];
    let hits = ListBuilder::new(UInt8Builder::new()).with_field(item(DataType::UInt8));
    let record = StructBuilder::new(members.clone(), vec![Box::new(Float32Builder::new()), Box::new(hits)]);
    let mut all = ListBuilder::new(record).with_field(item(DataType::Struct(members.into())));
    let mut bytes = BinaryBuilder::new();
    let mut x = FixedSizeListBuilder::new(Float32Builder::new(), 3).with_field(item(DataType::Float32));
    for entry in 0..ENTRIES {
        for muon in 0..muons(entry) {
            let record = all.values();
            record.field_builder::<Float32Builder>(0).unwrap().append_value(pt(entry, muon));
            let hits = record.field_builder::<ListBuilder<UInt8Builder>>(1).unwrap();
            hits.values().append_slice(&[muon as u8; 2][..muon.min(2) as usize]);
            hits.append(true);
            record.append(true);
        }
        all.append(true);
        bytes.append_value([entry as u8].repeat(entry as usize % 3));
        x.values().append_slice(&[entry as f32, 0.5, -1.0]);
        x.append(true);
    }
    let names: Vec<String> = (0..ENTRIES).map(|entry| format!("entry {}", entry % 10)).collect();
    let columns: [(&str, ArrayRef); 6] = [
        ("run", Arc::new(UInt32Array::from_iter_values((0..ENTRIES).map(|entry| entry as u32 / 100)))),
        ("event", Arc::new(Int64Array::from_iter_values(0..ENTRIES as i64))),
        ("Muon", Arc::new(all.finish())),
        ("name", Arc::new(StringArray::from(names))),
        ("bytes", Arc::new(bytes.finish())),
        ("x", Arc::new(x.finish())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// A file of `table`, with an offset index if there shall be one.
pub(crate) fn parquet(
    table: &RecordBatch,
    codec: Compression,
    version: WriterVersion,
    index: bool,
) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE)
        .set_statistics_enabled(if index { EnabledStatistics::Page } else { EnabledStatistics::None })
        .set_offset_index_disabled(!index)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled("name".into(), true)
        // Version 2 would write strings delta-encoded.
        .set_column_encoding("name".into(), parquet::basic::Encoding::PLAIN)
        .set_column_encoding("bytes".into(), parquet::basic::Encoding::PLAIN)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties)).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
    bytes
}
