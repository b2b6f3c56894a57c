"""A trained prior: it scores units, and draws new ones."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from sqspeech.checkpoint import read_checkpoint
from sqspeech.codec.units import UnitInfo, Units, UnitSet
from sqspeech.data.random_hash import hash_numbers
from sqspeech.errors import CheckpointError, DataError
from sqspeech.priors.config import PriorConfig
from sqspeech.priors.sampling import Sampling, sample
from sqspeech.priors.scoring import sequence_nats
from sqspeech.priors.speakers import SpeakerClasses
from sqspeech.priors.steps import StepCoder
from sqspeech.priors.unit_lm import UnitLM

# The properties of units that a prior depends on, in words.
ORIGIN = {"origin": "checkpoint", "codebook_size": "codebook size", "stages": "number of stages"}


@dataclass(frozen=True, kw_only=True)
class Prior:
    """A language model of the units of one codec.

    >>> prior = Prior.load("exp/prior/best.ckpt")
    >>> units = prior.sample(5.0, count=8, seed=1)
    >>> samples, rate = codec.decode(units[0], "p226")

    Attributes
    ----------
    config, model, device
        What it was trained with; in evaluation mode; where it is.
    info
        Timing and origin of the units.
    speakers
        Those whose units it tells apart.
    digest
        Of its checkpoint.
    """

    config: PriorConfig
    model: UnitLM
    device: torch.device
    info: UnitInfo
    speakers: SpeakerClasses
    digest: str

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> "Prior":
        """Load a prior that `sqspeech train` wrote.

        Raises
        ------
        CheckpointError
            The file cannot be read, or is no prior.
        """
        path, device = Path(path), torch.device(device)
        content: dict[str, Any] = read_checkpoint(path, device)
        if content.get("task") != "prior":
            raise CheckpointError(
                f"{path}: is no prior over units; give a checkpoint of a training with `task: prior`, such as "
                "exp/prior/best.ckpt"
            )
        config, info = PriorConfig.from_dict(content["config"], str(path)), UnitInfo(**content["units"])
        speakers = SpeakerClasses(tuple(content.get("speakers", ())))
        model = UnitLM(config.model, StepCoder(config.steps, info).sizes, speakers.count).to(device)
        model.load_state_dict(content["model"])
        return cls(
            config=config, model=model.eval(), device=device, info=info, speakers=speakers, digest=content["digest"]
        )

    @property
    def coder(self) -> StepCoder:
        """The conversion between units and the steps of the model."""
        return StepCoder(self.config.steps, self.info)

    def nats(self, units: UnitSet) -> dict[str, float]:
        """Return −log p of each utterance in nats, given its speaker where the prior knows that.

        Raises
        ------
        DataError
            The units are of another model, or deduplicated without their durations.
        """
        self.check(units.info)
        if units.info.deduplicated:
            raise DataError(
                "the units are deduplicated without durations; write them with --durations, or without --dedup"
            )
        sequences = [torch.from_numpy(self.coder.encode(found)) for found in units.units.values()]
        found = sequence_nats(self.model, sequences, self.speakers.find(map(units.speakers.get, units)).tolist())
        return {utterance: float(nats.sum()) for utterance, nats in zip(units, found, strict=True)}

    def sample(
        self,
        seconds: float,
        *,
        count: int = 1,
        seed: int = 0,
        prompt: Units | None = None,
        speaker: str | None = None,
        sampling: Sampling = Sampling(),  # noqa: B008 (frozen)
    ) -> list[Units]:
        """Return new units, the same for a seed.

        Parameters
        ----------
        seconds
            What is drawn lasts, beside the prompt.
        count
            How many; sample i is the same however many there are.
        seed
            Of the draws.
        prompt
            Units that all begin with.
        speaker
            Whose units they shall be like, where the prior knows that speaker; of any when None.
        sampling
            Temperature and top-p.

        Raises
        ------
        DataError
            The prompt is of another model, or longer than the context.
        """
        wanted, coder = max(1, round(seconds * self.info.frame_rate)), self.coder
        drawn, lengths = list[NDArray[np.int64]](), np.zeros(count, np.int64)
        keys = [hash_numbers(seed, number) for number in range(count)]
        for step in self._draw(keys, prompt, speaker, sampling):
            drawn.append(step.cpu().numpy())
            lengths += coder.durations(drawn[-1])
            if lengths.min() >= wanted:
                break
        before = [prompt.codes] if prompt else []
        found = [coder.decode(steps)[:wanted] for steps in np.stack(drawn, axis=1)]
        return [Units(codes=np.concatenate([*before, codes]), info=self.info) for codes in found]

    def stream(
        self,
        *,
        seed: int = 0,
        prompt: Units | None = None,
        speaker: str | None = None,
        sampling: Sampling = Sampling(),  # noqa: B008 (frozen)
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the codes of the first `sample` as they are drawn, those after the prompt, without end.

        Shape (n,) or (n, Q): one unit, or those of one run.
        """
        for step in self._draw([hash_numbers(seed, 0)], prompt, speaker, sampling):
            yield self.coder.decode(step.cpu().numpy())

    def check(self, info: UnitInfo) -> None:
        """Raise DataError where units are not of the model whose units the prior was trained on."""
        for name, text in ORIGIN.items():
            found, own = getattr(info, name), getattr(self.info, name)
            if found != own:
                raise DataError(
                    f"units of the {text} {found}, but the prior was trained on those of the {text} {own}; give the "
                    "prior of the model that made the units"
                )

    def _draw(
        self, keys: Sequence[int], prompt: Units | None, speaker: str | None, sampling: Sampling
    ) -> Iterator[Int[Tensor, "B C"]]:
        condition = self.speakers.find([speaker] * len(keys)).to(self.device)
        return sample(
            self.model, keys=keys, prompt=self._steps(prompt, len(keys)), condition=condition, sampling=sampling
        )

    def _steps(self, prompt: Units | None, count: int) -> Int[Tensor, "B P C"] | None:
        if prompt is None:
            return None
        if prompt.info is not None:
            self.check(prompt.info)
        steps, context = self.coder.encode(prompt), self.config.model.context
        if len(steps) >= context:
            raise DataError(
                f"a prompt of {len(steps)} steps ({len(prompt) / self.info.frame_rate:.1f} s), but the context of the "
                f"prior holds {context - 1}; give a shorter one"
            )
        return torch.from_numpy(steps).to(self.device).expand(count, -1, -1)


def score_table(nats: Mapping[str, float], units: UnitSet) -> tuple[str, float]:
    """Return `Prior.nats` of utterances as TSV with bits a unit and a second, and the bits a unit of all together."""
    lines = [("utt_id", "units", "nats", "bits_per_unit", "bits_per_second")]
    for utterance, found in nats.items():
        count, bits = len(units[utterance]), found / math.log(2) / len(units[utterance])
        lines.append((utterance, str(count), f"{found:.3f}", f"{bits:.4f}", f"{bits * units.info.frame_rate:.2f}"))
    total = sum(nats.values()) / math.log(2) / sum(len(units[utterance]) for utterance in nats)
    return "".join("\t".join(line) + "\n" for line in lines), total
