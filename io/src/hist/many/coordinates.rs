//! The coordinates of a filled bin of a `THnSparse`, packed into as few bits as the axes take
//! (`THnSparseCoordCompression`).

use crate::hist::Axis;

/// How the coordinates are packed.
pub(crate) struct Coordinates {
    /// The bits of each axis, the first in the lowest.
    bits: Vec<u32>,
}

impl Coordinates {
    pub(crate) fn of(axes: &[Axis]) -> Self {
        Self { bits: axes.iter().map(|axis| u64::BITS - (axis.bins as u64 + 2).leading_zeros()).collect() }
    }

    /// The bytes of one bin.
    pub(crate) fn bytes(&self) -> usize {
        self.bits.iter().sum::<u32>().div_ceil(u8::BITS) as usize
    }

    /// The places on the axes.
    pub(crate) fn unpack<'a>(&'a self, packed: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
        let mut next = 0;
        self.bits.iter().map(move |&bits| {
            let begin = next as usize;
            next += bits;
            let bit = |at: usize| u64::from(packed.get(at / 8).map_or(0, |byte| byte >> (at % 8) & 1));
            (0..bits as usize).fold(0, |place, at| place | bit(begin + at) << at)
        })
    }

    /// Appends the places.
    pub(crate) fn pack(&self, places: &[u64], to: &mut Vec<u8>) {
        let begin = to.len();
        to.resize(begin + self.bytes(), 0);
        let mut next = 0;
        for (&bits, place) in self.bits.iter().zip(places) {
            for at in 0..bits as usize {
                to[begin + (next + at) / 8] |= ((place >> at & 1) as u8) << ((next + at) % 8);
            }
            next += bits as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_packing_beyond_eight_bytes() {
        let axes: Vec<Axis> = [1, 2, 300, 40_000, 7, 1_000_000, 5, 60, 2000]
            .map(|bins| Axis { bins, high: 1.0, ..Axis::default() })
            .to_vec();
        let coordinates = Coordinates::of(&axes);
        // 3 + 2 places take 2 and 3 bits: ROOT counts those of `bins + 2` itself.
        assert_eq!((coordinates.bits[0], coordinates.bits[1]), (2, 3));
        assert!(coordinates.bytes() > 8);
        let mut packed = vec![7];
        let places: Vec<u64> = axes.iter().map(|axis| axis.bins as u64 + 1).collect();
        coordinates.pack(&places, &mut packed);
        assert!(coordinates.unpack(&packed[1..]).eq(places));
    }
}
