//! What a processor does to a dataset's output after the last merge.

use crate::Dataset;
use crate::checksums::HashWriter;
use crate::registry::{AnyOutput, AnyProcessor};

/// Finishes an output, and says whether that changed it.
pub(super) type Finish = fn(&dyn AnyProcessor, Box<dyn AnyOutput>, &Dataset) -> (Box<dyn AnyOutput>, bool);

/// Lets the processor finish an output. Only the content tells whether it did anything: `finish` has a default that
/// does nothing, and most processors have no other.
pub(super) fn finish(
    processor: &dyn AnyProcessor,
    output: Box<dyn AnyOutput>,
    dataset: &Dataset,
) -> (Box<dyn AnyOutput>, bool) {
    let before = digest(&*output);
    let output = processor.finish(output, dataset);
    let is_changed = before.is_none() || before != digest(&*output);
    (output, is_changed)
}

/// A hash of an output; none if it cannot be written.
fn digest(output: &dyn AnyOutput) -> Option<u64> {
    let mut hasher = HashWriter::default();
    output.write(&mut hasher).ok()?;
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use hep_analysis::prelude::*;
    use serde_json::Map;

    use super::*;

    #[derive(Clone, Copy, Columnar)]
    struct Event {
        x: f32,
    }

    /// Counts, and adds to it at the end if it is told to.
    #[derive(Default, Settings)]
    struct Counting {
        add: bool,
    }

    impl Processor for Counting {
        type Event = Event;
        type Output = Cutflow;

        fn output(&self, _: &Dataset) -> Result<Cutflow> {
            Ok(Cutflow::new(["all"]))
        }

        fn process(&self, events: &Events<Event>, cuts: &mut Cutflow) -> Result<()> {
            events.iter().for_each(|event| cuts.pass("all", event.x.into()));
            Ok(())
        }

        fn finish(&self, mut cuts: Cutflow, _: &Dataset) -> Cutflow {
            if self.add {
                cuts.pass("all", 1.0);
            }
            cuts
        }
    }

    #[test]
    fn what_finishing_changes_is_noticed() {
        let dataset = Dataset { name: "DY".to_owned(), metadata: Map::new() };
        for add in [false, true] {
            let processor = Counting { add };
            let output = AnyProcessor::output(&processor, &dataset).unwrap();
            assert_eq!(finish(&processor, output, &dataset).1, add);
        }
    }
}
