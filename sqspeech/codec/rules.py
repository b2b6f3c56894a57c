"""Rules that units must keep to be decoded by a model."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.checkpoint import TrainedModel
from sqspeech.codec.units import UnitInfo, Units
from sqspeech.errors import DataError
from sqspeech.quantizers.gaussian_vae import no_units


def check_units(given: Units | NDArray[np.integer] | Tensor, trained: TrainedModel) -> Units:
    """Return units that a model can decode.

    Raises
    ------
    ConfigError
        The model has no codebook.
    DataError
        The units are another model's, of another frame rate, not of its codebook, deduplicated without durations, or
        do not fit the length of their recording.
    """
    units = given if isinstance(given, Units) else Units(codes=_codes(given))
    size, geometry, features = trained.model.quantizer.codebook_size, trained.model.geometry, trained.config.features
    if size is None:
        raise no_units()
    if units.info is not None:
        check_origin(units.info, trained)
    codes, stages = units.codes, trained.model.quantizer.stages
    if not len(codes):
        raise DataError("no units to decode; leave the utterance out")
    if codes.ndim == 1 and stages > 1:
        units, codes = replace(units, codes=codes[:, None]), codes[:, None]  # of the first stage alone
    if codes.ndim == 2 and (stages == 1 or codes.shape[1] > stages):
        raise DataError(
            f"units of {codes.shape[1]} stages, but the model has {stages}; decode them with the model that made them"
        )
    if not 0 <= codes.min() <= codes.max() < size:
        raise DataError(
            f"units from {codes.min()} to {codes.max()}, but the codebook has {size} (0 to {size - 1}); they are "
            "another model's or damaged, extract them again"
        )
    if units.recording is not None:
        frames = 1 + units.recording.n_samples // features.hop_length
        if geometry.units(frames) != len(codes):
            raise DataError(
                f"{len(codes)} units, but a recording of {units.recording.n_samples} samples has "
                f"{max(0, geometry.units(frames))}; the units are damaged, extract them again"
            )
    return units


def check_origin(info: UnitInfo, trained: TrainedModel) -> None:
    """Raise DataError where units of this origin are not those of a model, or are runs without durations."""
    if info.checkpoint not in trained.same_units:
        raise DataError(
            f"the units are of the checkpoint {info.checkpoint}, this one is {trained.digest}; decode them with the "
            "model that made them, or extract them again with this one"
        )
    features, geometry = trained.config.features, trained.model.geometry
    wanted = geometry.frame_rate(features), geometry.offset(features)
    if (info.frame_rate, info.offset) != wanted:
        raise DataError(
            f"{info.frame_rate:g} units a second from {info.offset:g} s, but the model has {wanted[0]:g} from "
            f"{wanted[1]:g} s; info.json was changed, extract the units again"
        )
    if info.deduplicated:
        raise DataError(
            "the units are deduplicated without durations, so that their times are lost; extract them with --durations "
            "or without --dedup"
        )


def _codes(given: NDArray[np.integer] | Tensor) -> NDArray[np.int64]:
    codes = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if not np.issubdtype(codes.dtype, np.integer) or codes.ndim not in (1, 2):
        raise DataError(f"units of type {codes.dtype} and shape {codes.shape}; give integers of shape (L,)")
    return codes.astype(np.int64, copy=False)
