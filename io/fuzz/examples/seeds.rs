//! Writes the seeds that need no ROOT: `cargo run --example seeds` beside `seeds.py`.

fn main() -> std::io::Result<()> {
    let all = [
        ("basket", hep_io_fuzz::basket::seeds()),
        ("codec", hep_io_fuzz::codec::seeds()),
        ("ntuple", hep_io_fuzz::ntuple::seeds()),
        ("parquet", hep_io_fuzz::parquet::seeds()),
    ];
    for (target, seeds) in all {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        std::fs::create_dir_all(&folder)?;
        for (at, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("{at:03}")), seed)?;
        }
    }
    Ok(())
}
