"""One function over many recordings: in processes of this machine, on a cluster, or in shards."""

from sqspeech.corpus.local import map_locally_or_in_order
from sqspeech.corpus.processes import Processes
from sqspeech.corpus.runner import DIED, Workers, map_in_order
from sqspeech.corpus.shard import Shard

__all__ = ["DIED", "Processes", "Shard", "Workers", "map_in_order", "map_locally_or_in_order"]
