//! Which classes of a file derive from another one, and where in their objects that one lies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::layout::Heir;
use crate::root::streamer::Streamers;

/// More derived classes, and more base classes in front of one, are in no sane file.
const MOST: usize = 1000;

/// A base class of a class: the derived class, and the base classes that are stored before it.
#[derive(Debug)]
struct Step {
    derived: String,
    before: Vec<bool>,
}

/// The derived classes of all classes of a file, found when they are first asked for.
#[derive(Debug, Default)]
pub(super) struct Heirs {
    steps: Option<HashMap<String, Vec<Step>>>,
    known: HashMap<String, Arc<[Heir]>>,
}

impl Heirs {
    /// The classes that derive from `base`.
    pub(super) fn of(&mut self, streamers: &Streamers, base: &str) -> Arc<[Heir]> {
        if let Some(known) = self.known.get(base) {
            return Arc::clone(known);
        }
        let steps = self.steps.get_or_insert_with(|| steps(streamers));
        let mut heirs: Vec<Heir> = Vec::new();
        let mut seen = HashSet::from([base]);
        let mut open = vec![(base, Vec::<Vec<bool>>::new())];
        while let Some((class, way)) = open.pop() {
            for step in steps.get(class).into_iter().flatten() {
                if heirs.len() >= MOST || !seen.insert(&step.derived) {
                    continue;
                }
                let mut longer = vec![step.before.clone()];
                longer.extend(way.iter().cloned());
                heirs.push(Heir { name: step.derived.clone(), way: longer.clone() });
                open.push((&step.derived, longer));
            }
        }
        let heirs: Arc<[Heir]> = heirs.into();
        self.known.insert(base.to_owned(), Arc::clone(&heirs));
        heirs
    }
}

/// For each class those that have it as a base class.
fn steps(streamers: &Streamers) -> HashMap<String, Vec<Step>> {
    let mut steps = HashMap::<String, Vec<Step>>::new();
    for class in streamers.classes() {
        // Of several versions, the newest says it.
        if streamers.class(&class.name) != Some(class) {
            continue;
        }
        let mut before = Vec::new();
        let bases = class.elements.iter().take_while(|element| element.kind == "TStreamerBase");
        for base in bases.take(MOST) {
            let step = Step { derived: class.name.clone(), before: before.clone() };
            steps.entry(base.name.clone()).or_default().push(step);
            before.push(base.name == "TObject");
        }
    }
    // A file lists its classes in no particular order.
    steps.values_mut().for_each(|steps| steps.sort_by(|a, b| a.derived.cmp(&b.derived)));
    steps
}
