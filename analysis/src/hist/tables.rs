use super::Storage;
use super::cells::Cells;

/// Cells of the largest histogram that is counted in tables.
pub(super) const TABLE: usize = 256;

/// Counts of the same cells four times over: neighbouring values often fall into the same, and adding to a
/// number that has just been written waits for it.
pub(super) struct Tables {
    counts: [[u32; TABLE]; 4],
    sum: u32,
}

impl Default for Tables {
    fn default() -> Self {
        Self { counts: [[0; TABLE]; 4], sum: 0 }
    }
}

impl Tables {
    /// Counts places, of which each call of [`note`](Self::note) says how many.
    #[inline(always)]
    pub(super) fn add(&mut self, places: &[u32]) {
        let (quads, rest) = places.as_chunks::<4>();
        for quad in quads {
            for (counts, &place) in self.counts.iter_mut().zip(quad) {
                counts[place as usize % TABLE] += 1;
            }
        }
        for &place in rest {
            self.counts[0][place as usize % TABLE] += 1;
        }
    }

    /// Notes that so many were counted, at most a block.
    #[inline]
    pub(super) fn note<S: Storage>(&mut self, places: usize, cells: &mut Cells<S>) {
        self.sum += places as u32;
        if self.sum > u32::MAX / 2 {
            self.empty_into(cells);
        }
    }

    /// Adds what was counted to the cells.
    #[cold]
    pub(super) fn empty_into<S: Storage>(&mut self, cells: &mut Cells<S>) {
        for place in 0..TABLE {
            let count = self.counts.iter().map(|counts| u64::from(counts[place])).sum();
            if count > 0
                && let Some(cell) = S::counted(count)
            {
                cells.add(place, cell);
            }
        }
        *self = Self::default();
    }
}
