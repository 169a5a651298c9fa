"""A small picture becomes a file of about the size that was asked for, better than noise would have it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tuner.cli import app
from tuner.codec.encode import encode
from tuner.errors import ConfigError
from tuner.fit.loop import Progress, Verdict
from tuner.fit.wavelets.choice import cheapest, choose, free_values
from tuner.fit.wavelets.config import WaveletConfig
from tuner.fit.wavelets.curvature import learn_curvatures
from tuner.fit.wavelets.fit import fit_wavelets
from tuner.fit.wavelets.passes import GridPasses
from tuner.fit.wavelets.rate import Costs, LatentRate
from tuner.fit.wavelets.subbands import Subbands
from tuner.fit.wavelets.weights import Weights
from tuner.network.wavelets.parameters import Basis, LatentLevel, seeded_frequencies, wavelet_parameters
from tuner.network.wavelets.synthesis import wavelet_values_on_grid
from tuner.representation import Representation
from tuner.signal.grid import Grid
from tuner.signal.image import write_image
from tuner.signal.signal import Signal, SignalKind


def picture(shape: tuple[int, ...] = (64, 48), channels: int = 3) -> Signal:
    """Soft shapes with an edge."""
    grid = Grid(shape, 2.5)
    coords = grid.coords()
    wave = np.sin(coords @ np.linspace(3.0, 7.0, len(shape))) + (coords[:, 0] > 0.2)
    values = 0.4 + 0.2 * wave[:, None] * np.linspace(0.5, 1.0, channels)
    return Signal(values=values.reshape(*shape, channels).astype(np.float32))


SMALL = WaveletConfig(bits_per_sample=4.0, steps=40, widths=(8, 8), frequencies=2, seed=1)


def test_a_fit_fills_its_bytes_and_says_what_they_are_worth() -> None:
    signal, seen = picture(), list[Progress]()

    def note(progress: Progress) -> Verdict:
        seen.append(progress)
        return Verdict.CONTINUE

    result = fit_wavelets(signal, SMALL, on_step=note)
    assert [progress.step for progress in seen] == list(range(1, 41))
    assert {progress.total_steps for progress in seen} == {40}
    representation = Representation.of(result.parameters, signal)
    bits_per_sample = 8 * len(encode(representation, result.steps)) / signal.sample_count
    assert 2.0 < bits_per_sample < 5.2
    error = representation.render().values - signal.values
    assert -10.0 * np.log10(np.mean(error**2)) > 25.0
    assert result.psnr_db == pytest.approx(-10.0 * np.log10(np.mean(error**2)), abs=0.2)


def test_what_is_fitted_is_in_whole_steps() -> None:
    signal = picture()
    result = fit_wavelets(signal, SMALL)
    first = encode(Representation.of(result.parameters, signal), result.steps)
    for tensor, step in zip(result.parameters.tensors(), result.steps, strict=True):
        integers = tensor.astype(np.float64) / np.float32(step)
        np.testing.assert_allclose(integers, np.rint(integers), atol=1e-3)
    assert first == encode(Representation.of(fit_wavelets(signal, SMALL).parameters, signal), result.steps)


@pytest.mark.parametrize(("shape", "channels"), [((200,), 1), ((12, 10, 14), 1)], ids=["one axis", "three axes"])
def test_any_dimension(shape: tuple[int, ...], channels: int) -> None:
    config = WaveletConfig(bits_per_sample=8.0, steps=12, scales=2, widths=(6,), frequencies=2)
    assert fit_wavelets(picture(shape, channels), config).psnr_db > 15.0


def test_a_time_limit_ends_a_fit() -> None:
    config = WaveletConfig(bits_per_sample=4.0, steps=10**6, max_seconds=0.5, widths=(4,))
    assert fit_wavelets(picture((32, 32)), config).seconds < 30.0


@pytest.mark.parametrize("shape", [(30,), (20, 14), (6, 5, 4)], ids=["one axis", "two axes", "three axes"])
def test_gradients_are_those_of_differences(shape: tuple[int, ...]) -> None:
    passes, latents, weights = _passes(shape)
    found = passes.latent_gradients(weights, torch.ones(2, passes.points))
    assert found.loss == pytest.approx(passes.loss(weights), rel=1e-5)

    def loss() -> float:
        passes.show(latents)
        return passes.loss(weights)

    by_weights = passes.weight_gradients(weights, range(passes.tiles))
    for variables, gradients in ((latents, found.slopes), (weights.inner(), by_weights)):
        for variable, gradient in zip(variables, gradients, strict=True):
            step = 1e-2
            direction = gradient / gradient.norm()
            variable += step * direction
            above = loss()
            variable -= 2 * step * direction
            below = loss()
            variable += step * direction
            assert (above - below) / (2 * step) == pytest.approx(float(gradient.norm()), rel=0.02, abs=1e-4)
    before = loss()
    assert passes.solve_output(weights) == pytest.approx(before, rel=1e-5)
    assert passes.loss(weights) < before
    assert passes.solve_output(weights) == pytest.approx(passes.loss(weights), rel=1e-5)


def test_random_signs_sample_the_curvature() -> None:
    """In the mean over many signs the squares are the second differences of a loss whose error is zero."""
    passes, latents, weights = _passes((20, 14))
    passes.targets_CP.copy_(_values(passes, latents, weights))
    rest = passes.loss(weights)
    assert rest < 1e-7
    random, total = torch.Generator().manual_seed(1), [torch.zeros_like(each) for each in latents]
    samples = 400
    for _ in range(samples):
        signs = torch.randint(0, 2, (2, passes.points), generator=random).float() * 2.0 - 1.0
        for mean, bend in zip(total, passes.latent_gradients(weights, signs).bends, strict=True):
            mean += bend / samples
    for level, code in enumerate(latents):
        step = 2e-2
        place = (0, *(size // 2 for size in code.shape[1:]))
        code[place] += step
        passes.show(latents)
        measured = 2.0 * (passes.loss(weights) - rest) / step**2
        code[place] -= step
        assert float(total[level][place]) == pytest.approx(measured, rel=0.3)


def test_curvatures_are_learned_from_samples() -> None:
    random = torch.Generator().manual_seed(0)
    true = torch.full((2, 40, 40), 1.0)
    true[0, :, 20:] = 4.0
    known = [torch.zeros_like(true)]
    for taken in range(10):
        learn_curvatures(known, [true * torch.randn(true.shape, generator=random).square()], taken)
    away = [slice(5, 15), slice(25, 35)]
    for columns in away:
        torch.testing.assert_close(
            known[0][:, 5:35, columns].mean(), true[:, 5:35, columns].mean(), rtol=0.15, atol=0.0
        )
    assert float(known[0].std()) < 3.0
    learn_curvatures(known, [torch.zeros_like(true)], 0)
    assert float(known[0].min()) > 0.0


@pytest.mark.parametrize("shape", [(30,), (9, 7), (6, 5, 4)], ids=["one axis", "two axes", "three axes"])
def test_the_fit_sees_what_the_file_stands_for(shape: tuple[int, ...]) -> None:
    passes, latents, weights = _passes(shape)
    assert passes.loss(weights) > 1e-3
    passes.targets_CP.copy_(_values(passes, latents, weights))
    assert passes.loss(weights) < 1e-7


def _passes(shape: tuple[int, ...]) -> tuple[GridPasses, list[torch.Tensor], Weights]:
    """A small signal, integer latents that were shown, and a random network."""
    signal = picture(shape, 2)
    axes = [Grid(shape, 2.5).axis(dimension) for dimension in range(len(shape))]
    passes = GridPasses(signal.values, axes, 2, 2, seeded_frequencies(2, len(shape), 4, 0), 2.5)
    random = torch.Generator().manual_seed(0)
    latents = [torch.randn(each.shape, generator=random).mul(2.0).round() for each in passes.subbands.zeros()]
    passes.gains.copy_(torch.full((passes.modulations,), 0.25))
    inputs = passes.sines + passes.modulations
    weights = Weights(
        passes.sines,
        [0.5 * torch.randn(5, inputs, generator=random), torch.randn(4, 5, generator=random)],
        [torch.randn(5, generator=random), torch.randn(4, generator=random)],
        *[0.3 * torch.randn(*shape, generator=random) for shape in ((2, passes.fields), (2, 4), (2,))],
    )
    passes.show(latents)
    return passes, latents, weights


def _values(passes: GridPasses, latents: list[torch.Tensor], weights: Weights) -> torch.Tensor:
    """What numpy makes of the same numbers, (C, P)."""
    shape = passes.grid_shape
    parameters = wavelet_parameters(
        grid_shape=shape,
        period=2.5,
        seed=0,
        reach=4,
        frequencies=seeded_frequencies(2, len(shape), 4, 0),
        levels=tuple(
            LatentLevel(spacing=spacing, codes=code.numpy().astype(np.int32))
            for (spacing, _), code in zip(passes.subbands.layout, latents, strict=True)
        ),
        tensors=weights.arrays(),
        basis=Basis.WAVELETS,
        exponents=tuple(passes.gains.log2().int().tolist()),
    )
    axes = [Grid(shape, 2.5).axis(dimension) for dimension in range(len(shape))]
    return torch.from_numpy(wavelet_values_on_grid(parameters, axes).reshape(passes.points, -1).T.copy())


@pytest.mark.parametrize(
    ("shape", "scales"), [((101,), 3), ((37, 50), 3), ((9, 8, 7), 2), ((1, 5), 1)], ids=["1-D", "2-D", "3-D", "a row"]
)
def test_wavelets_reproduce_any_samples(shape: tuple[int, ...], scales: int) -> None:
    subbands = Subbands(shape, scales, 2, 5)
    values = torch.randn(2, int(np.prod(shape)), generator=torch.Generator().manual_seed(0))
    codes = subbands.analyse(values, 60)
    assert [tuple(code.shape) for code in codes] == [tuple(zeros.shape) for zeros in subbands.zeros()]
    torch.testing.assert_close(_sums(subbands, codes, shape), values, atol=1e-4, rtol=0.0)


def test_wavelets_are_nearly_orthonormal() -> None:
    subbands = Subbands((64, 48), 3, 1, 8)
    codes = [torch.randn(zeros.shape, generator=torch.Generator().manual_seed(1)) for zeros in subbands.zeros()]
    norms = subbands.square_norms()
    separate = sum(float((code.square() * norm).sum()) for code, norm in zip(codes, norms, strict=True))
    assert float(_sums(subbands, codes, (64, 48)).square().sum()) == pytest.approx(separate, rel=0.1)
    assert all(0.5 < float(norm.median()) < 1.5 for norm in norms)
    one = [torch.zeros_like(code) for code in codes]
    one[2][1, 5, 4] = 1.0
    assert float(_sums(subbands, one, (64, 48)).square().sum()) == pytest.approx(float(norms[2][1, 5, 4]), rel=1e-4)


def _sums(subbands: Subbands, codes: list[torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    spread, rows = subbands.spread(codes), 5 if shape[0] % 8 else 8
    tiles = [
        torch.empty(subbands.channels, min(rows, shape[0] - start) * int(np.prod(shape[1:])))
        for start in range(0, shape[0], rows)
    ]
    for number, tile in enumerate(tiles):
        subbands.fill(number, spread, tile)
    return torch.cat(tiles, 1).view(-1, len(codes[0]), int(np.prod(shape))).sum(0)


def test_lonely_latents_cost_more_bits_than_crowds() -> None:
    shapes = [(1, 10, 10), (3, 10, 10), (3, 20, 20)]
    crowd, lonely = ([torch.zeros(shape) for shape in shapes] for _ in range(2))
    crowd[2][0, :3, :3] = 3.0
    lonely[2][0, 2::7, 2::7] = 3.0
    assert crowd[2].count_nonzero() == lonely[2].count_nonzero()
    bits, costs = zip(*(LatentRate(2, 1, 3).costs(codes) for codes in (crowd, lonely)), strict=True)
    assert bits[0] < 0.8 * bits[1]
    beside, far = costs[0][2], costs[1][2]
    assert float(beside.one[0, 1, 1]) < float(far.one[0, 5, 5])


@pytest.mark.parametrize(("nearest", "share"), [(False, 0.4), (True, 0.998)], ids=["from zeros", "from the nearest"])
def test_latents_go_where_error_and_bits_together_are_least(nearest: bool, share: float) -> None:
    wanted = [
        torch.randn(shape, generator=torch.Generator().manual_seed(2)) * 2.0 for shape in ((1, 40, 40), (3, 40, 40))
    ]
    codes = [each.round() if nearest else torch.zeros_like(each) for each in wanted]
    curvatures, random = [torch.full_like(each, 2.0) for each in codes], torch.Generator().manual_seed(3)
    rate, trade = LatentRate(2, 1, 2), 0.1
    objectives = []
    for _ in range(40):
        error = sum(float((code - each).square().sum()) for code, each in zip(codes, wanted, strict=True))
        bits, costs = rate.costs(codes)
        objectives.append(error + trade * bits)
        gradients = [2.0 * (code - each) for code, each in zip(codes, wanted, strict=True)]
        free = free_values(codes, gradients, curvatures)
        for code, each, goal in zip(codes, free, wanted, strict=True):
            torch.testing.assert_close(each, code + (goal - code).clamp(-1.5, 1.5))
        choose(codes, free, curvatures, costs, trade, random)
    assert objectives[-1] < share * objectives[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits_per_sample": 0.0},
        {"steps": 0},
        {"scales": 0},
        {"scales": 11},
        {"widths": ()},
        {"period": 2.0},
        {"rounded_share": 0.0},
        {"max_seconds": -1.0},
    ],
)
def test_settings_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        WaveletConfig(**({"bits_per_sample": 1.0} | wrong))  # type: ignore[arg-type]


def test_a_grid_of_one_sample() -> None:
    signal = Signal(values=np.full((1, 1, 3), 0.5, dtype=np.float32))
    result = fit_wavelets(signal, WaveletConfig(bits_per_sample=100.0, steps=5, widths=(2,)))
    values = wavelet_values_on_grid(result.parameters, [np.zeros(1, dtype=np.float32)] * 2)
    np.testing.assert_allclose(values, 0.5, atol=0.05)


def test_the_command_shrinks_a_picture(tmp_path: Path) -> None:
    source, output = tmp_path / "x.png", tmp_path / "x.tnr"
    source.write_bytes(write_image(picture((40, 40))))
    result = CliRunner().invoke(
        app, ["shrink", str(source), "-o", str(output), "--bits-per-sample", "4", "--steps", "6"]
    )
    assert result.exit_code == 0, result.output
    assert f"{output.stat().st_size} bytes" in result.output.replace("\n", "")
    assert Representation.load(output).grid_shape == (40, 40)
    missing = CliRunner().invoke(app, ["shrink", str(tmp_path / "no.png"), "-o", str(output)])
    assert missing.exit_code == 1


def test_no_latent_outgrows_what_a_file_can_hold() -> None:
    """One that hardly matters has its optimum anywhere."""
    one = torch.ones(1, 1)
    (found,) = cheapest([torch.tensor([[-12345.0]])], [one], [Costs(one, one, 0.0 * one)], trade=1e-9)
    assert found.tolist() == [[-2000.0]]


def test_four_axes_are_refused_with_advice() -> None:
    signal = Signal(values=np.zeros((4, 4, 4, 4, 1), dtype=np.float32), kind=SignalKind.ARRAY)
    with pytest.raises(ConfigError, match=r"4 axes, .* 'sines'"):
        fit_wavelets(signal, SMALL)
