use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::columns::join;
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
    note = "use a histogram, `Cutflow`, `u64`, `f64`, a `BTreeMap<String, _>`, `Vec`, array or `Option` of these, or a struct \
            of these with `#[derive(Output)]`"
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

/// What an output of several does for each of them, under its key.
macro_rules! for_each_under {
    ($self:ident => $parts:expr) => {
        fn objects(&$self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
            $parts.for_each(|(key, part)| part.objects(&join(path, "/", &key.to_string()), sink));
        }

        fn memory(&$self) -> usize {
            size_of_val($self) + $parts.map(|(_, part)| part.memory()).sum::<usize>()
        }

        fn non_finite_weights(&$self, path: &str, sink: &mut dyn FnMut(&str, u64)) {
            $parts.for_each(|(key, part)| part.non_finite_weights(&join(path, "/", &key.to_string()), sink));
        }

        fn most_memory(&$self, path: &str, sink: &mut dyn FnMut(&str, usize)) {
            $parts.for_each(|(key, part)| part.most_memory(&join(path, "/", &key.to_string()), sink));
        }
    };
}

/// Outputs by names that are known only at run time: `regions["2jets"]` is called `regions/2jets`.
impl<T: Output> Output for BTreeMap<String, T> {
    for_each_under!(self => self.iter());
}

/// Outputs by their place: `0`, `1`, …
impl<T: Output> Output for Vec<T> {
    for_each_under!(self => self.iter().enumerate());
}

/// Outputs by their place: `0`, `1`, …
impl<T: Output, const N: usize> Output for [T; N]
where
    [T; N]: Serialize + DeserializeOwned,
{
    for_each_under!(self => self.iter().enumerate());
}

/// An output that some datasets or settings do without.
impl<T: Output> Output for Option<T> {
    fn objects(&self, path: &str, sink: &mut dyn FnMut(&str, Object)) {
        self.iter().for_each(|part| part.objects(path, sink));
    }

    fn memory(&self) -> usize {
        self.as_ref().map_or(size_of_val(self), Output::memory)
    }

    fn non_finite_weights(&self, path: &str, sink: &mut dyn FnMut(&str, u64)) {
        self.iter().for_each(|part| part.non_finite_weights(path, sink));
    }

    fn most_memory(&self, path: &str, sink: &mut dyn FnMut(&str, usize)) {
        self.iter().for_each(|part| part.most_memory(path, sink));
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
