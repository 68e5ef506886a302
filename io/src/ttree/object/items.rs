//! Which class the items of a `TClonesArray` have: no description says it, but the head of each array does,
//! also of an empty one.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Column;
use super::layout::Layout;
use super::stream::{ItemClass, Stream};

/// What is known of the items of the `TClonesArray`s of a branch, by the places of the arrays: the member of
/// a class, as `zoo::Event.hits`, or nothing where the array is the branch.
#[derive(Debug, Default)]
pub(crate) struct ItemClasses {
    /// Their class, or why it is not known in spite of all.
    known: HashMap<Arc<str>, Result<String, String>>,
    /// Of what else a resolver wanted to know it.
    asked: RefCell<BTreeSet<Arc<str>>>,
}

impl ItemClasses {
    pub(super) fn at(&self, place: &str) -> Option<Result<&str, String>> {
        self.known.get(place).map(|known| known.as_deref().map_err(Clone::clone))
    }

    pub(super) fn ask(&self, place: &str) -> Arc<str> {
        let place = Arc::from(place);
        self.asked.borrow_mut().insert(Arc::clone(&place));
        place
    }

    /// The places that were asked for since this was called before.
    pub(crate) fn asked(&self) -> Vec<Arc<str>> {
        self.asked.take().into_iter().collect()
    }

    /// Adds what was found.
    pub(crate) fn learn(&mut self, found: HashMap<Arc<str>, ItemClass>) {
        self.known.extend(found.into_iter().map(|(place, class)| {
            let class = match class {
                ItemClass::One(class) => Ok(class),
                ItemClass::Number => Ok("int".to_owned()),
                ItemClass::Two(first, second) => {
                    Err(format!("its TClonesArrays hold objects of class {first} and of class {second}"))
                }
            };
            (place, class)
        }));
    }

    /// Where nothing was found, and why.
    pub(crate) fn give_up(&mut self, places: &[Arc<str>], reason: &str) {
        for place in places {
            self.known.insert(place.clone(), Err(reason.to_owned()));
        }
    }
}

/// Walks through the values of a basket, all of this layout, until each of `places` has named the class of
/// its items. Also why the walk came to no end.
pub(crate) fn reveal(
    layout: &Layout,
    values: &[u8],
    key_length: usize,
    places: usize,
) -> (HashMap<Arc<str>, ItemClass>, Option<String>) {
    let mut stream = Stream::new(values, key_length, 0);
    let mut column = Column::new(layout);
    let mut wrong = None;
    let guessed = |stream: &Stream<'_>| stream.items().values().any(ItemClass::is_number);
    while stream.position() < values.len() && (stream.items().len() < places || guessed(&stream)) {
        let before = stream.position();
        if let Err(malformed) = stream.run(layout, 1, &mut column) {
            wrong = Some(format!("{} (its byte {})", malformed.reason, malformed.at));
            break;
        }
        if stream.position() == before {
            break;
        }
    }
    (stream.items().clone(), wrong)
}
