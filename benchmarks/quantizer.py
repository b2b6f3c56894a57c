"""Gaussian SQ, variance IV, beside its published N × D × K formulation: time, memory, precision.

`python benchmarks/quantizer.py --json FILE` prints the tables and writes the figures. The two sides take turns, each
turn in a process of its own, and a ratio is one of medians over the turns. Peak memory is that of the first full call,
above what the process holds once its inputs are made and a call on a single latent has loaded the libraries.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
import typer
from measuring import (
    Ceilings,
    Cost,
    describe_machine,
    in_own_process,
    measure_ceilings,
    measure_cost,
    median_cost,
    print_table,
)
from rich.console import Console
from torch import Tensor, nn

from sqspeech.quantizers import GaussianSQ, GaussianSQConfig

LATENTS_PER_SECOND = 50
# The published form holds two N × K × D tensors at once; above this many bytes it runs in slices of the positions.
PLAIN_LIMIT = 4 * 2**30
TUNED_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
LOG_VARIANCES = (3.0, 0.0, -2.0, -4.0, -6.0, -8.0)
CODEWORD_NORM = 10.0


class Plain(nn.Module):
    """Variance IV as published: the differences z_nd − b_kd of all positions and codewords in one tensor."""

    def __init__(self, quantizer: GaussianSQ) -> None:
        super().__init__()
        self.codebook = nn.Parameter(quantizer.codebook.detach().clone())
        self.log_variance = nn.Parameter(quantizer.log_variance.detach().clone())

    def distance(self, z: Tensor, extra: Tensor) -> Tensor:
        """Return Σ_d (z_nd − b_kd)² / σ²_nd, shape (N, K), for (N, D) latents."""
        weight = torch.exp(-(self.log_variance + extra))
        return (weight[:, None] * (z[:, None] - self.codebook[None]).square()).sum(-1)

    def forward(self, z: Tensor, extra: Tensor, gumbel: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the Gumbel-softmax sample at temperature 1 and the loss, for (B, T, D) latents."""
        logits = -0.5 * self.distance(z.flatten(0, 1), extra.flatten(0, 1))
        gumbel = -torch.empty_like(logits).exponential_().log() if gumbel is None else gumbel
        z_q = (torch.softmax(logits + gumbel, -1) @ self.codebook).view_as(z)
        energy = 0.5 * ((z - z_q).square() * torch.exp(-(self.log_variance + extra))).sum()
        log_posterior = torch.log_softmax(logits, -1)
        negative_entropy = (log_posterior.exp() * log_posterior).sum()
        uniform = len(logits) * math.log(len(self.codebook))
        return z_q, (energy + negative_entropy + uniform) / len(z)

    def encode(self, z: Tensor, extra: Tensor) -> Tensor:
        """Return the most probable codes, shape (B, T)."""
        return self.distance(z.flatten(0, 1), extra.flatten(0, 1)).argmin(-1).view(z.shape[:2])


@dataclass(frozen=True, kw_only=True)
class Case:
    """One measurement: `task` is train or encode, `side` is plain, ours or compiled."""

    task: str
    batch: int
    length: int
    dim: int
    codebook_size: int
    device: str = "cpu"
    side: str = "ours"

    @property
    def positions(self) -> int:
        """N."""
        return self.batch * self.length

    def plain_bytes(self) -> int:
        """Return what the published form needs for the differences and their squares."""
        return 2 * self.positions * self.dim * self.codebook_size * 4

    def slice_length(self) -> int:
        """Return how many steps the published form takes at a time: all of them where memory allows."""
        return min(self.length, max(1, self.length * PLAIN_LIMIT // self.plain_bytes()))

    def floor_seconds(self, ceilings: Ceilings) -> float:
        """Return the least time that the products and the unavoidable traffic take.

        Three products of 2·N·D·K (distance: two, sample: one) and twice as much backward, or the two of the
        distance to encode; the inputs, results and gradients once through memory.
        """
        train = self.task == "train"
        flops = (18 if train else 4) * self.positions * self.dim * self.codebook_size
        moved = 4 * self.dim * ((6 if train else 2) * self.positions + (2 if train else 1) * self.codebook_size)
        return ceilings.least_seconds(flops, moved)


def latents(case: Case) -> tuple[Tensor, Tensor]:
    """Return z and the encoder's log-variance channels, both (B, T, D)."""
    generator = torch.Generator().manual_seed(0)
    z, extra = torch.randn(2, case.batch, case.length, case.dim, generator=generator).to(case.device)
    return z, 0.1 * extra


def gradients(module: nn.Module, z: Tensor, extra: Tensor, **arguments: Any) -> tuple[Tensor, ...]:
    """Return the loss and its gradients, z_q pulled along as a decoder would."""
    leaves = (z.requires_grad_(), extra.requires_grad_(), *module.parameters())
    result = module(z, extra, **arguments)
    z_q, loss = result if isinstance(result, tuple) else (result.z, result.loss)
    return loss.detach(), *torch.autograd.grad(loss + (z_q * z.detach()).sum(), leaves)


@torch.inference_mode()
def encode(module: Any, z: Tensor, extra: Tensor, slice_length: int) -> Tensor:
    """Return the codes, `slice_length` steps at a time."""
    parts = zip(torch.split(z, slice_length, 1), torch.split(extra, slice_length, 1), strict=True)
    return torch.cat([module.encode(*part) for part in parts], 1)


def quantizer(case: Case) -> GaussianSQ:
    torch.manual_seed(0)
    config = GaussianSQConfig(codebook_size=case.codebook_size, codebook_dim=case.dim, variance="IV")
    return GaussianSQ(config).to(case.device)


def step(case: Case) -> Callable[[Tensor, Tensor], Any]:
    """Return the work of one side."""
    ours = quantizer(case)
    module: nn.Module = Plain(ours) if case.side == "plain" else ours
    if case.side == "compiled":
        module.compile()
        module.encode = torch.compile(ours.encode)  # type: ignore[assignment]
    if case.task == "train":
        return lambda z, extra: gradients(module, z, extra)
    slice_length = case.slice_length() if case.side == "plain" else case.length
    return lambda z, extra: encode(module, z, extra, slice_length)


def measure(case: Case) -> Cost:
    """Return what one side costs in this process; the memory of slices is scaled to that of all at once."""
    run, (z, extra) = step(case), latents(case)
    cost = measure_cost(
        lambda: run(z[:1, :1].clone(), extra[:1, :1].clone()), lambda: run(z, extra), device=case.device
    )
    if case.side == "plain" and case.task == "encode":
        return replace(cost, peak=cost.peak * case.length / case.slice_length())
    return cost


def compare(case: Case, rounds: int, sides: list[str], variables: dict[str, str]) -> dict[str, Cost]:
    """Measure the sides in turn; medians over the rounds."""
    costs: dict[str, list[Cost]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            costs[side].append(in_own_process(measure, replace(case, side=side), **variables))
    return {side: median_cost(turns) for side, turns in costs.items()}


def largest_difference(case: Case) -> dict[str, float]:
    """Return the relative difference of ours to the published form in double precision, by quantity.

    It is max|ours − plain| / max|plain|. Both are given the same noise.
    """
    ours, (z, extra) = quantizer(case), latents(case)
    plain = Plain(ours).double()
    gumbel = -torch.empty(case.positions, case.codebook_size).exponential_().log()

    def sample(logits: Tensor, _: float, codebook: Tensor) -> Tensor:
        return torch.softmax(logits + gumbel.view_as(logits), -1) @ codebook

    with patch("sqspeech.quantizers.gaussian_sq.sample", sample):
        found = gradients(ours, z.clone(), extra.clone())
    exact = gradients(plain, z.double(), extra.double(), gumbel=gumbel.double())
    names = ("loss", "grad z", "grad extra", *(f"grad {name}" for name, _ in ours.named_parameters()))
    return {
        name: ((mine - true).abs().max() / true.abs().max()).item()
        for name, mine, true in zip(names, found, exact, strict=True)
    }


def two_products(z: Tensor, log_variance: Tensor, codebook: Tensor) -> Tensor:
    """Return the codes by the expanded distance as it stands, in the precision of the moment."""
    weight = torch.exp(-log_variance)
    cross, squares = (weight * z) @ codebook.T, weight @ codebook.square().T
    return ((weight * z.square()).sum(-1, keepdim=True) - 2 * cross + squares).argmin(-1)


def in_tf32(z: Tensor, log_variance: Tensor, codebook: Tensor) -> Tensor:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    codes = two_products(z.cuda(), log_variance.cuda(), codebook.cuda()).cpu()
    torch.set_float32_matmul_precision(before)
    return codes


def agreement(case: Case, level: float, near: bool) -> dict[str, float]:
    """Return the fraction of codes that equal double precision's.

    log σ² is drawn per position and dimension within ½ of `level` and inside [−8, 3]; `near` latents are a
    codeword plus noise of variance σ², the others are spread as the codewords are.
    """
    torch.manual_seed(0)
    ours = quantizer(case).requires_grad_(False)
    ours.codebook.mul_(CODEWORD_NORM / ours.codebook.norm(dim=-1, keepdim=True))
    log_variance = (level + torch.rand(case.positions, case.dim) - 0.5).clamp(-8, 3)
    noise = torch.randn_like(log_variance)
    chosen = torch.randint(case.codebook_size, (case.positions,))
    z = ours.codebook[chosen] + noise * (0.5 * log_variance).exp() if near else noise * CODEWORD_NORM / case.dim**0.5
    extra = log_variance - ours.log_variance
    # The quantiser sees log σ² through a sum in single precision: so must the others.
    log_variance = ours.log_variance + extra
    codes = {"products": two_products(z, log_variance, ours.codebook), "sqspeech": ours.encode(z[None], extra[None])[0]}
    if torch.cuda.is_available():
        codes["tf32"] = in_tf32(z, log_variance, ours.codebook)
    exact = exact_codes(z, log_variance, ours.codebook)
    return {name: (found == exact).double().mean().item() for name, found in codes.items()}


def exact_codes(z: Tensor, log_variance: Tensor, codebook: Tensor) -> Tensor:
    """Return the codes by plain differences in double precision."""
    parts = zip(torch.split(z.double(), 8), torch.split(torch.exp(-log_variance.double()), 8), strict=True)
    distances = [((x[:, None] - codebook.double()).square() * w[:, None]).sum(-1) for x, w in parts]
    return torch.cat(distances).argmin(-1)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the speed table."""

    title: str
    case: Case
    plain: Cost
    ours: Cost
    floor: float

    def figures(self) -> dict[str, float]:
        """Return what the JSON file holds."""
        return {
            "time_ratio": self.plain.seconds / self.ours.seconds,
            "memory_ratio": self.plain.peak / self.ours.peak,
            "plain_ms": 1e3 * self.plain.seconds,
            "ours_ms": 1e3 * self.ours.seconds,
            "plain_mib": self.plain.peak / 2**20,
            "ours_mib": self.ours.peak / 2**20,
            "floor_ms": 1e3 * self.floor,
        }

    def cells(self) -> list[str]:
        """Return the line as it is printed."""
        figures = {name: f"{value:.3g}" for name, value in self.figures().items()}
        sliced = self.case.task == "encode" and self.case.slice_length() < self.case.length
        figures["plain_mib"] += "*" if sliced else ""
        names = ("plain_ms", "ours_ms", "time_ratio", "floor_ms", "plain_mib", "ours_mib", "memory_ratio")
        return [self.title, *(figures[name] for name in names)]


def rows(title: str, case: Case, rounds: int, ceilings: Ceilings, **variables: str) -> list[Row]:
    """Return the case's line, and on a GPU one more for torch.compile."""
    sides = ["plain", "ours"]
    costs = compare(case, rounds, sides, variables)
    if case.device == "cuda":
        try:
            costs |= compare(case, 1, ["compiled"], variables)
        except Exception as error:  # torch.compile raises many kinds; a failure is the finding
            Console().print(f"{title}: torch.compile failed: {str(error).splitlines()[0]}")
    floor = case.floor_seconds(ceilings)
    suffixes = {"ours": "", "compiled": ", compiled"}
    return [
        Row(title=title + suffix, case=case, plain=costs["plain"], ours=costs[side], floor=floor)
        for side, suffix in suffixes.items()
        if side in costs
    ]


def speed(case: Case, seconds: list[float], rounds: int) -> dict[str, list[Row]]:
    """Return the lines of one device by task; `train_tuned` is on the CPU alone."""
    ceilings = in_own_process(measure_ceilings, case.device)
    Console().print(f"{case.device}: {ceilings}")
    found = {"train": rows(f"train, N = {case.positions}", case, rounds, ceilings)}
    if case.device == "cpu":
        found["train_tuned"] = rows("the same, malloc tuned", case, rounds, ceilings, **TUNED_MALLOC)
    lengths = [max(1, round(LATENTS_PER_SECOND * duration)) for duration in seconds]
    found["encode"] = [
        row
        for duration, length in zip(seconds, lengths, strict=True)
        for row in rows(
            f"encode {duration:g} s", replace(case, task="encode", batch=1, length=length), rounds, ceilings
        )
    ]
    return found


def print_speed(device: str, found: dict[str, list[Row]]) -> None:
    header = ("", "plain ms", "ours ms", "time ratio", "floor ms", "plain MiB", "ours MiB", "memory ratio")
    print_table(f"{device}: time and peak memory", header, [row.cells() for lines in found.values() for row in lines])
    print("* in slices of the positions; the memory of all at once is the slice's, scaled\n")


def precision_table(case: Case) -> list[dict[str, Any]]:
    """Return the agreement with double precision by where the latents lie and by log σ²."""
    return [
        {"latents": place, "log_variance": level, **agreement(case, level, place == "near")}
        for place in ("near", "anywhere")
        for level in LOG_VARIANCES
    ]


def print_precision(case: Case, found: list[dict[str, Any]]) -> None:
    names = list(found[0])[2:]
    lines = [
        [f"{line['latents']}, log σ² = {line['log_variance']:+g}", *(f"{100 * line[name]:.3f}" for name in names)]
        for line in found
    ]
    title = f"Codes equal to double precision's, % of {case.positions} latents; codewords of norm {CODEWORD_NORM:g}"
    print_table(title, ("", *names), lines)


def headline(cpu: dict[str, list[Row]]) -> dict[str, float]:
    train, tuned = cpu["train"][0].figures(), cpu["train_tuned"][0].figures()
    names = ("time_ratio", "memory_ratio")
    return {name: train[name] for name in names} | {f"{name}_tuned": tuned[name] for name in names}


def main(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Utterances of the training step.")] = 52,
    length: Annotated[int, typer.Option(min=1, help="Latents of each.")] = 16,
    dim: Annotated[int, typer.Option(min=1)] = 64,
    codebook_size: Annotated[int, typer.Option(min=2)] = 512,
    seconds: Annotated[list[float], typer.Option(help="Audio to encode; repeat for more.")] = [10, 60, 600],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 5,
    checked: Annotated[int, typer.Option(min=1, help="Latents whose codes are compared.")] = 10_000,
) -> None:
    """Compare Gaussian SQ (variance IV) with its N × D × K formulation: time, memory, precision."""
    case = Case(task="train", batch=batch, length=length, dim=dim, codebook_size=codebook_size)
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    machine = describe_machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    tables = {device: speed(replace(case, device=device), seconds, rounds) for device in devices}
    for device, found in tables.items():
        print_speed(device, found)
    differences = in_own_process(largest_difference, case)
    lines = [[name, f"{value:.1e}"] for name, value in differences.items()]
    print_table("Relative difference to double precision, training step", ("", "difference"), lines)
    precise = replace(case, batch=1, length=checked)
    precision = in_own_process(precision_table, precise)
    print_precision(precise, precision)
    if json_file:
        figures = headline(tables["cpu"]) | {"max_relative_difference": max(differences.values())}
        speeds = {
            device: {task: [{"title": row.title, **row.figures()} for row in found[task]] for task in found}
            for device, found in tables.items()
        }
        result = figures | {"speed": speeds, "precision": precision, "machine": machine}
        json_file.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
