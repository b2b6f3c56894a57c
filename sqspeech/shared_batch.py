"""Former name of `sqspeech.distributed`, for scripts that import it; nothing here does."""

from sqspeech.distributed import all_gather as whole
from sqspeech.distributed import all_reduce_sum as total
from sqspeech.distributed import rank as index
from sqspeech.distributed import sharing, uniform
from sqspeech.distributed import world_size as count

__all__ = ["count", "index", "sharing", "total", "uniform", "whole"]
