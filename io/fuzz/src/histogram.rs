//! Histogram objects.

use super::builder;
use hep_io::hist::{self, Class};

/// The first byte of `data` chooses the class, the rest is the object.
pub fn run(data: &[u8]) -> usize {
    let Some((&choice, object)) = data.split_first() else { return 0 };
    let class = class(choice);
    let file = builder::open(builder::file_of(&class, "h", object)).unwrap();
    let key = file.find("h").unwrap();
    let Ok(histogram) = hist::read(&file, &key) else { return 0 };
    assert_eq!(Class::parse(&class), Some(histogram.class));
    assert_eq!(histogram.cells(), Some(histogram.contents.len()));
    for axis in &histogram.axes {
        let _ = (axis.center(0), axis.center(1), axis.is_labelled());
    }
    let mut sum = histogram.clone();
    let _ = hist::merge(&mut sum, &histogram);
    1
}

/// The classes in the order in which `seeds.py` numbers them.
fn class(choice: u8) -> String {
    let choice = usize::from(choice) % 18;
    match choice {
        0..15 => format!("TH{}{}", 1 + choice / 5, ["C", "S", "I", "F", "D"][choice % 5]),
        _ => ["TProfile", "TProfile2D", "TProfile3D"][choice - 15].to_owned(),
    }
}
