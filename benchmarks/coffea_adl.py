"""The ADL queries as a coffea processor: the arrays' code is that of adl_awkward.py."""

import coffea.processor as processor
import numpy as np
from adl_awkward import BINS, query


class Adl(processor.ProcessorABC):
    """Fills the query's first histogram, with under- and overflow."""

    def __init__(self, number: int) -> None:
        self.number = number

    def process(self, events):
        low, high = BINS[self.number]
        values = np.asarray(query(self.number, events), np.float64)
        place = np.clip(np.floor(100 * (values - low) / (high - low)).astype(np.int64) + 1, 0, 101)
        return {"bins": np.bincount(place, minlength=102)}

    def postprocess(self, accumulator):
        return accumulator
