use serde::{Deserialize, Serialize};

/// Bins between given edges, each half-open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    edges: Vec<f64>,
}

impl Variable {
    pub(super) fn new(edges: Vec<f64>) -> Result<Self, String> {
        if edges.len() < 2 {
            return Err("a variable axis needs at least two edges".to_owned());
        }
        if !edges.windows(2).all(|pair| pair[0] < pair[1]) || !edges.iter().all(|edge| edge.is_finite()) {
            return Err("the edges of a variable axis must increase and be finite".to_owned());
        }
        Ok(Self { edges })
    }

    pub(super) fn check(&self) -> Result<(), String> {
        Self::new(self.edges.clone()).map(drop)
    }

    /// The edges, one more than there are bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The place of `x`.
    #[inline]
    pub fn index(&self, x: f64) -> usize {
        // NaN compares false with every edge, and belongs in the overflow.
        if x.is_nan() { self.edges.len() } else { self.edges.partition_point(|edge| *edge <= x) }
    }
}
