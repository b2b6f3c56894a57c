"""The network's shapes and timing, and the objective against a slow oracle."""

import math

import numpy as np
import pytest
import torch

from sqspeech.models.encoder import ConvEncoder, EncoderConfig
from sqspeech.models.gru_decoder import DecoderConfig
from sqspeech.models.jittered import time_jitter
from sqspeech.models.sqvae import SQVAE, ar_elbo, mean_squared_error, reconstruction_error
from sqspeech.quantizers import GaussianSQConfig

M = 6


def small(variance: str = "IV", **decoder: float) -> SQVAE:
    torch.manual_seed(0)
    return SQVAE(
        EncoderConfig(width=8),
        GaussianSQConfig(codebook_size=7, codebook_dim=4, variance=variance),
        DecoderConfig(width=5, speaker_dim=3, **decoder),
        n_mels=M,
        n_speakers=2,
    )


def test_published_size():
    encoder = ConvEncoder(EncoderConfig(), 80, 128)
    convolutions = 80 * 768 * 3 + 3 * 768 * 768 * 3 + 768 * 768 * 4
    assert sum(p.numel() for p in encoder.parameters()) == convolutions + 5 * 2 * 768 + 768 * 128 + 128


@pytest.mark.parametrize(("frames", "codes"), [(4, 1), (5, 1), (6, 2), (34, 16), (101, 49)])
def test_two_frames_a_code(frames, codes):
    model = small().eval()
    mel = torch.rand(1, frames, M)
    code = model.encode(mel)
    assert code.shape == (1, codes)
    assert model.decode(code, torch.tensor([1])).shape == model.geometry.target(mel).shape == (1, 2 * codes, M)
    assert torch.equal(model.geometry.target(mel), mel[:, 1 : 1 + 2 * codes])


def test_a_code_sees_the_frames_around_it():
    """Code i is centred on frames 2i + 1 and 2i + 2: its receptive field is symmetric about them."""
    encoder = ConvEncoder(EncoderConfig(width=16), M, 4).eval()
    mel = torch.rand(1, 60, M, requires_grad=True)
    encoder(mel)[0, 10].sum().backward()
    seen = mel.grad[0].abs().sum(1).nonzero().flatten()
    assert (seen[0] + seen[-1]).item() == (2 * 10 + 1) + (2 * 10 + 2)


def test_a_normalised_input_has_no_channel():
    """A constant added to each band, as a microphone or a level adds it, changes nothing that is heard."""
    mel, channel = torch.rand(2, 34, M), torch.randn(2, 1, M)
    for normalize in (True, False):
        torch.manual_seed(0)
        encoder = ConvEncoder(EncoderConfig(width=8, normalize=normalize), M, 4).eval()
        difference = (encoder(mel + channel) - encoder(mel)).abs().max()
        assert (difference < 1e-5) == normalize


def test_objective_equals_the_definition():
    torch.manual_seed(0)
    mel, mel_hat = torch.rand(3, 4, M), torch.rand(3, 4, M)
    total = sum(
        (mel[b, t, m].item() - mel_hat[b, t, m].item()) ** 2 for b in range(3) for t in range(4) for m in range(M)
    )
    mse = mean_squared_error(mel_hat, mel)
    loss = ar_elbo(mse, M * 4)
    assert mse.item() == pytest.approx(total / (3 * 4 * M), rel=1e-5)
    assert loss.item() == pytest.approx(0.5 * M * 4 * math.log(total / (3 * 4 * M)), rel=1e-5)


def test_a_level_weight_of_one_is_the_squared_error_and_a_small_one_hardly_hears_the_level():
    torch.manual_seed(0)
    mel, mel_hat, level = torch.rand(3, 8, M), torch.rand(3, 8, M), 10 * torch.randn(3, 1, M)
    assert reconstruction_error(mel_hat, mel, 1.0).item() == pytest.approx(mean_squared_error(mel_hat, mel).item())
    # By the definition: numpy's variance over time, and the square of the mean.
    error = (mel_hat - mel + level).double().numpy()
    wanted = error.var(1).mean() + 0.1 * np.square(error.mean(1)).mean()
    assert reconstruction_error(mel_hat + level, mel, 0.1).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("objective", ["ar_elbo", "mse"])
def test_the_reconstruction_term_is_weighted_and_the_error_that_is_told_is_not(objective):
    model = small("I").eval()
    model.objective = objective
    mel, speaker = torch.rand(2, 34, M), torch.tensor([0, 1])
    plain = model(mel, speaker)
    model.level_weight = 0.1
    output = model(mel, speaker)
    error = reconstruction_error(model.decode(model.encode(mel), speaker), model.geometry.target(mel), 0.1)
    assert output.mse == plain.mse
    expected = error if objective == "mse" else ar_elbo(error, M * 32)
    assert output.reconstruction.item() == pytest.approx(expected.item(), rel=1e-5)
    assert output.reconstruction < plain.reconstruction


def test_exact_reconstruction_is_finite():
    mel = torch.zeros(1, 4, M, requires_grad=True)
    loss = ar_elbo(mean_squared_error(mel, torch.zeros(1, 4, M)), M * 4)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(mel.grad).all()


@pytest.mark.parametrize("variance", ["I", "II", "III", "IV"])
def test_forward_is_the_sum_of_its_parts(variance):
    model = small(variance).eval()
    mel, speaker = torch.rand(2, 34, M), torch.tensor([0, 1])
    output = model(mel, speaker)
    expected = ar_elbo(mean_squared_error(model.decode(model.encode(mel), speaker), model.geometry.target(mel)), M * 32)
    assert output.reconstruction.item() == pytest.approx(expected.item(), rel=1e-5)
    assert output.loss.item() == pytest.approx(expected.item() + output.quantized.loss.item(), rel=1e-5)
    assert torch.equal(output.quantized.codes, model.encode(mel))


def test_every_parameter_learns():
    model = small().train()
    model(torch.rand(4, 34, M), torch.tensor([0, 1, 0, 1]), 1.0).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_speaker_changes_the_voice_and_not_the_codes():
    model = small().eval()
    code = model.encode(torch.rand(1, 20, M))
    voices = [model.decode(code, torch.tensor([s])) for s in (0, 1)]
    assert (voices[0] - voices[1]).abs().max() > 1e-4


def test_jitter_replaces_by_neighbours_at_its_rate():
    torch.manual_seed(0)
    length = 2000
    z = torch.arange(length, dtype=torch.float32).reshape(1, length, 1).repeat(20, 1, 1)
    shift = time_jitter(z, 0.5)[..., 0] - z[..., 0]
    assert set(shift.unique().tolist()) == {-1.0, 0.0, 1.0}
    inner = shift[:, 1:-1]
    assert (inner == 1).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert (inner == -1).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(time_jitter(z, 0.0), z)
    assert time_jitter(z[:, :1], 1.0).equal(z[:, :1])


def test_no_jitter_in_eval_mode():
    model = small(jitter=1.0).eval()
    mel, speaker = torch.rand(1, 34, M), torch.tensor([0])
    assert torch.equal(model.decode(model.encode(mel), speaker), model.decode(model.encode(mel), speaker))
