"""Bits a second that units cost under a learned prior of other speech."""

import math
from collections.abc import Mapping
from typing import Any

from sqspeech.evaluation.metrics.unit_metric import UNIT_METRICS, TableRow, UnitMetric


@UNIT_METRICS.register("learned_bitrate")
class LearnedBitrate(UnitMetric):
    """Bitrate of units that are coded by a prior, which was trained on other utterances."""

    rows = (TableRow(name="bitrate, learned prior (bit/s)", keys=("learned_bitrate",), better="lower, at equal ABX"),)
    needs = ("priors",)

    def of_system(self, name: str) -> Mapping[str, Any]:
        """Return −log2 p of all units a second of recording; nothing where no prior is of the system's model."""
        units = self.test.systems[name]
        prior = (self.test.priors or {}).get(units.info.origin)
        if prior is None:
            return {}
        bits = sum(prior.nats(units).values()) / math.log(2)
        return {"learned_bitrate": bits / sum(self.test.seconds.values())}
