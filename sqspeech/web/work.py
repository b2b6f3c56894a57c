"""Work that the page orders, done as the command line does it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from sqspeech.checkpoint import TrainedModel, read_checkpoint
from sqspeech.chunked_log_mel import ChunkedLogMel
from sqspeech.codec import Codec
from sqspeech.conversion import SOURCE, Converter, convert_all, plan
from sqspeech.conversion.enrolment import enroll_recordings
from sqspeech.data.data_dir import Utterance
from sqspeech.data.inputs import read_inputs
from sqspeech.errors import CheckpointError, SqspeechError
from sqspeech.failures import Failures
from sqspeech.names import file_name
from sqspeech.priors.generation import GenerationRequest, generate
from sqspeech.priors.sampling import Sampling
from sqspeech.priors.trained import Prior
from sqspeech.progress import Listener, progress_told_to
from sqspeech.units.extract import Extraction, Read
from sqspeech.web.orders import Assignment, ConversionOrder, EnrolmentOrder, GenerationOrder
from sqspeech.web.pictures import outline, png, spectrogram
from sqspeech.web.unit_table import write_units

type Json = dict[str, Any]

# Models that are kept for the next order.
KEPT = 8


class Work:
    """Function of an assignment to a description of its results, which JSON can hold.

    Paths in it are relative to the assignment's folder.

    Parameters
    ----------
    find_device
        Gives the device of the models.
    """

    def __init__(self, find_device: Callable[[], torch.device]) -> None:
        self.device = find_device()
        torch.set_num_threads(1)  # as `sqspeech convert`, so that its files are these
        self._model = lru_cache(KEPT)(lambda path: TrainedModel.load(path, self.device))

    def __call__(self, assignment: Assignment, listener: Listener) -> Json:
        """Do the work; raises SqspeechError where nothing came of it."""
        with progress_told_to(listener):
            match assignment.order:
                case None:
                    return self._describe_all(assignment.files)
                case ConversionOrder() as order:
                    return self._convert(order, assignment, listener)
                case EnrolmentOrder() as order:
                    return self._enroll(order, assignment)
                case GenerationOrder() as order:
                    return self._generate(order, assignment)

    def _describe_all(self, files: Mapping[str, Path]) -> Json:
        contents = {name: read_checkpoint(path, torch.device("cpu")) for name, path in files.items()}
        priors = [name for name, content in contents.items() if content.get("task") == "prior"]
        models = {name: self._describe(files[name]) for name in files if name not in priors}
        return {"models": models, "priors": {name: self._models_of(files[name], files, models) for name in priors}}

    def _describe(self, path: Path) -> Json:
        trained = self._model(path)
        size = trained.model.quantizer.codebook_size
        return {
            "speakers": trained.speakers,
            "vocoders": trained.vocoders,
            "vocoder": Codec(trained).vocoders.for_speech().name,
            "rate": trained.config.features.sample_rate,
            "units": None if size is None else {"rate": Codec(trained).info.frame_rate, "size": size},
        }

    def _models_of(self, prior: Path, files: Mapping[str, Path], models: Mapping[str, Json]) -> list[str]:
        origin = Prior.load(prior).info.checkpoint
        found = [name for name in models if origin in self._model(files[name]).same_units]
        if not found:
            raise CheckpointError(f"{prior}: of the units of the checkpoint {origin}, and no model here makes them")
        return found

    def _convert(self, order: ConversionOrder, assignment: Assignment, listener: Listener) -> Json:
        (utterance,) = read_inputs([assignment.files[order.recording]])
        if order.speaker:
            utterance = replace(utterance, spk_id=order.speaker)
        results = []
        for number in range(len(order.models)):
            with progress_told_to(_part(listener, number, len(order.models))):
                results.append(self._convert_by(number, order, utterance, assignment))
        if all(result["sentence"] for result in results):
            raise SqspeechError(results[0]["sentence"])
        return {"of": order.recording, "models": results}

    def _convert_by(self, number: int, order: ConversionOrder, utterance: Utterance, assignment: Assignment) -> Json:
        result: Json = {"model": order.models[number], "sentence": "", "note": ""}
        try:
            converter = Converter(self._model(assignment.files[order.models[number]]), order.vocoder)
            known = order.speaker in converter.trained.speakers
            targets = [SOURCE, *order.to] if known else order.to
            requests = plan([utterance], targets, None, converter.trained.speakers)
            folder = assignment.folder / str(number)
            count, failures = convert_all(converter, requests, folder, pitch=order.pitch)
            failures.check(count, strict=False)
        except SqspeechError as error:
            return result | {"sentence": str(error)}
        names = {target: requests[0].file_name(target) for target in requests[0].targets}
        wavs = {target: Utterance(utt_id=name, spk_id=target, path=folder / name) for target, name in names.items()}
        extraction = Extraction(converter.codec, ())
        source = extraction.read(utterance)
        assert source.samples is not None, "it was converted"
        return result | {
            "note": "; ".join(dict.fromkeys(failures.notes.values())),
            "vocoder": converter.vocoder.name,
            "seconds": len(source.samples) / converter.sample_rate,
            "outline": outline(source.samples, converter.sample_rate),
            "picture": self._draw(converter.trained, source, folder, "source"),
            "units": _units(extraction, source, folder),
            "speech": [
                {
                    "role": "reconstruction" if target == SOURCE else "conversion",
                    "speaker": utterance.spk_id if target == SOURCE else target,
                    "file": f"{folder.name}/{wav.path.name}",
                    "picture": self._draw(converter.trained, extraction.read(wav), folder, f"{place}"),
                }
                for place, (target, wav) in enumerate(wavs.items())
            ],
        }

    def _draw(self, trained: TrainedModel, read: Read, folder: Path, name: str) -> str:
        assert read.samples is not None, read.reason
        path = folder / f"{name}.png"
        path.write_bytes(png(spectrogram(ChunkedLogMel(trained.log_mel, read.samples))))
        return f"{folder.name}/{path.name}"

    def _enroll(self, order: EnrolmentOrder, assignment: Assignment) -> Json:
        path = assignment.folder / file_name(order.name, ".ckpt")
        utterances = read_inputs([assignment.files[name] for name in order.recordings])
        model, failures = assignment.files[order.model], Failures()
        seconds = enroll_recordings(model, utterances, order.name, path, failures, device=self.device)
        return {
            "file": path.name,
            "seconds": seconds,
            "note": "; ".join([*failures.reasons.values(), *dict.fromkeys(failures.notes.values())]),
            "model": self._describe(path),
        }

    def _generate(self, order: GenerationOrder, assignment: Assignment) -> Json:
        files, folder = assignment.files, assignment.folder / "0"
        prior = Prior.load(files[order.prior], self.device)
        codec = Codec(self._model(files[order.model]), smooth=prior.info.smooth)
        sampling = Sampling(temperature=order.temperature, top_p=order.top_p)
        request = GenerationRequest(seconds=order.seconds, count=order.count, seed=order.seed, sampling=sampling)
        prompts = read_inputs([files[order.prompt]]) if order.prompt else None
        count, failures = generate(prior, codec, folder, order.to, request, prompts=prompts, vocoder=order.vocoder)
        failures.check(count, strict=False)
        rows = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["recordings"]
        extraction = Extraction(codec, ())
        wavs = [Utterance(utt_id=row["utt_id"], spk_id=order.to, path=folder / row["output"]) for row in rows]
        return {
            "speech": [
                {
                    "role": "continuation" if order.prompt else "sample",
                    "speaker": order.to,
                    "file": f"{folder.name}/{row['output']}",
                    "picture": self._draw(codec.trained, extraction.read(wav), folder, str(place)),
                    "prompt": row["prompt_seconds"],
                    "seconds": row["seconds"],
                }
                for place, (row, wav) in enumerate(zip(rows, wavs, strict=True))
            ]
        }


def _part(listener: Listener, number: int, count: int) -> Listener:
    """Return the listener of one of several pieces of work."""
    return lambda step, done, total: listener(step, number + done / total, count)


def _units(extraction: Extraction, source: Read, folder: Path) -> Json | None:
    """Write the units of a recording; None where the model has no codebook."""
    if extraction.codec.trained.model.quantizer.codebook_size is None:
        return None
    (found,) = extraction.of([source])
    assert not isinstance(found, str), found
    about = write_units(folder, found.units, extraction.codec.info)
    return {**about, "table": f"{folder.name}/units.csv", "runs": f"{folder.name}/units.json"}
