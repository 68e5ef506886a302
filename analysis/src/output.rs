use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::hist::{AnyHist, Axes, Histogram, Storage};
use crate::{Cutflow, Merge};

/// One named object of an output, as files know them.
pub enum Object {
    /// A histogram of any dimension.
    Histogram(AnyHist),
    /// A cutflow.
    Cutflow(Cutflow),
    /// A number.
    Number(f64),
}

/// What a processor fills: histograms, cutflows, numbers, or a struct of them with
/// `#[derive(Output)]`, whose field names become the objects' names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an output",
    note = "use a histogram, `Cutflow`, `u64`, `f64`, or a struct of these with `#[derive(Output)]`"
)]
pub trait Output: Merge + Serialize + DeserializeOwned + Send + 'static {
    /// Gives every object to `sink` with its path: `mass`, `muons/pt`. `path` is empty for an output
    /// that is one object, which is then called after its processor.
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object));

    /// The bytes it takes in memory now.
    fn memory(&self) -> usize {
        size_of_val(self)
    }

    /// Gives the number of fills with a weight that is infinite or not a number to `sink`, for each object that has
    /// any.
    fn non_finite_weights(&self, _path: &str, _sink: &mut dyn FnMut(&str, u64)) {}

    /// Gives the bytes that each object may come to, when all of its bins are filled, to `sink` with its path.
    fn most_memory(&self, path: &str, sink: &mut dyn FnMut(&str, usize)) {
        sink(path, size_of_val(self));
    }
}

impl<S: Storage, A: Axes> Output for Histogram<S, A> {
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
        sink(path, Object::Histogram(self.view()));
    }

    fn memory(&self) -> usize {
        size_of_val(self) + self.cells_memory()
    }

    fn non_finite_weights(&self, path: &str, sink: &mut dyn FnMut(&str, u64)) {
        let fills = Self::non_finite_weights(self);
        if fills > 0 {
            sink(path, fills);
        }
    }

    fn most_memory(&self, path: &str, sink: &mut dyn FnMut(&str, usize)) {
        sink(path, size_of_val(self) + self.most_cells_memory());
    }
}

impl Output for Cutflow {
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
        sink(path, Object::Cutflow(self.clone()));
    }
}

impl Output for f64 {
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
        sink(path, Object::Number(*self));
    }
}

impl Output for u64 {
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
        sink(path, Object::Number(*self as f64));
    }
}
