"""Images: how they are read, their networks, and what is noised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator

import mmg_nb
from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.denoisers.gaussian import Samples
from mmg_nb.denoisers.image import ImageDenoiser
from mmg_nb.errors import MMGError
from mmg_nb.estimators.mmg_images import run as image_run
from mmg_nb.nets.unet import ImageEncoder, UNet, apart, halvings, side_by_side

N = 120
CORRELATION = 0.8
TRUTH = -np.log(1 - CORRELATION**2)  # of two pairs of latents


def blobs(centres, side):
    """`(n, 2)` latents -> `(n, 1, side, side)`, a blob whose place tells both."""
    middle = (side - 1) / 2
    places = middle + 0.5 * middle * np.tanh(centres / 2)
    axis = np.arange(side)
    across, down = (np.exp(-(((axis - places[:, k, None]) / 2) ** 2)) for k in range(2))
    return (down[:, :, None] * across[:, None, :])[:, None]


def latents(n, seed=0):
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((n, 2))
    return u, CORRELATION * u + np.sqrt(1 - CORRELATION**2) * rng.standard_normal((n, 2))


@pytest.fixture(scope="module")
def pair():
    u, v = latents(N)
    return blobs(u, 8), blobs(v, 8), v


# --- data


@pytest.mark.parametrize("kind", ["float32", "uint8", "torch", "one channel"])
def test_images_keep_their_shape_and_all_their_pixels(pair, kind):
    images = np.round(255 * pair[0])
    images[:, :, 0, 0] = 0  # a pixel that never changes
    expected = images.reshape(N, -1)
    given = {
        "float32": images.astype(np.float32),
        "uint8": images.astype(np.uint8),
        "torch": torch.tensor(images),
        "one channel": images[:, 0],
    }[kind]
    pairs = make_pairs(given, pair[2])
    assert pairs.shape_x == (1, 8, 8)
    assert pairs.shape_y is None
    assert pairs.discrete_x == ()
    np.testing.assert_array_equal(pairs.x, expected)
    assert pairs.notes == ("x: images of 8 × 8 pixels.",)


def test_repeated_images_stay_on_one_side_of_splits(pair):
    x, y = (np.concatenate([values, values[:30]]) for values in (pair[0], pair[2]))
    pairs = make_pairs(np.round(255 * x).astype(np.uint8), y)
    np.testing.assert_array_equal(pairs.clusters[:30], pairs.clusters[N:])


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.zeros((N, 1, 8, 8)), {}, "x must vary"),
        (np.full((N, 8, 8), "a"), {}, "x must hold numbers"),
        (np.zeros((0, 1, 8, 8)), {}, "x is empty"),
        (np.full((N, 8, 8), np.nan), {}, "x must be finite"),
        (np.zeros((N, 1, 1, 8, 8)), {}, r"or \(n, c, h, w\)"),
        (np.eye(8)[None] * np.arange(N)[:, None, None], {"discrete": "x"}, "x holds images"),
        (np.eye(8)[None] * np.arange(N)[:, None, None], {"discrete": "x[5]"}, "x holds images"),
    ],
)
def test_what_is_no_image_is_refused(pair, x, options, message):
    with pytest.raises(MMGError, match=message):
        make_pairs(x, pair[2], **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimator": "gcmi"}, "gcmi takes rows of numbers, and there are images in x"),
        ({"given": np.arange(N)}, "not I\\(x; y \\| z\\)"),
        ({"checkpoint": "run.mmg"}, "A run on images cannot be saved"),
    ],
)
def test_what_images_cannot_have_is_refused(pair, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MMGError, match=message):
        mmg_nb.estimate(pair[0], pair[2], **options)
    with pytest.raises(MMGError, match="given holds images"):
        mmg_nb.estimate(pair[2], pair[2], given=pair[0])


# --- networks


def test_members_lie_side_by_side_and_come_apart():
    flat = torch.randn(3, 5, 2 * 4 * 6)
    wide = side_by_side(flat, (2, 4, 6))
    assert wide.shape == (5, 6, 4, 6)
    torch.testing.assert_close(wide[1, 2:4], flat[1, 1].view(2, 4, 6))
    torch.testing.assert_close(apart(wide, 3), flat)


@pytest.mark.parametrize(
    ("size", "times"), [((4, 4), 0), ((7, 9), 0), ((8, 8), 1), ((28, 28), 2), ((64, 16), 2)]
)
def test_images_are_halved_until_they_are_small(size, times):
    assert halvings(*size) == times


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (2, 4, 5)])
def test_networks_take_any_size_and_members_are_alone(shape):
    generator = Generator().manual_seed(0)
    net = UNet(2, shape, 2, 16, width=4, generator=generator)
    encoder = ImageEncoder(2, shape, 16, width=4, generator=generator)
    images = torch.randn(2, 3, int(np.prod(shape)), generator=generator)
    code = encoder(images)
    assert code.shape == (2, 3, 16)
    assert not net(images, code).any()  # starts at zero
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(0, 0.3, generator=generator)
        before = net(images, code)
        assert before.shape == (2, 3, 2 * shape[1] * shape[2])
        for parameter in (*net.parameters(), *encoder.parameters()):
            parameter[1] += 0.1
        after = net(images, encoder(images))
    torch.testing.assert_close(after[0], before[0])
    assert (after[1] - before[1]).abs().max() > 1e-3


def test_the_denoiser_sees_y_only_where_it_is_given():
    generator = Generator().manual_seed(0)
    denoiser = ImageDenoiser(2, (1, 8, 8), 3, None, width=4, generator=generator)
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.normal_(0, 0.2, generator=generator)
    x, eps = (torch.randn(2, 6, 64, generator=generator) for _ in range(2))
    logsnr = torch.zeros(2, 6)
    given = (torch.arange(6) >= 3).view(1, 6, 1)
    y, other = (torch.randn(2, 6, 3, generator=generator) for _ in range(2))
    with torch.no_grad():
        one = denoiser(Samples(x, x, y), eps, logsnr, given)
        two = denoiser(Samples(x, x - 1, other), eps, logsnr, given)
    torch.testing.assert_close(one[:, :3], two[:, :3])
    assert ((one - two)[:, 3:].abs().amax(-1) > 1e-4).all()


# --- estimates


@pytest.fixture
def short_validation(monkeypatch):
    """Validation is the longest part of such short runs, and needs no precision in them."""
    monkeypatch.setattr(image_run, "VALIDATION_DRAWS", 64)


SMALL = {"steps": 12, "draws": 4, "batch": 16, "width": 8}


@pytest.mark.usefixtures("short_validation")
def test_of_two_images_one_is_noised(pair):
    first, again = (mmg_nb.estimate(*pair[:2], seed=1, **SMALL) for _ in range(2))
    assert first.mi == again.mi
    assert np.isfinite(first.mi)
    assert (first.dim_x, first.dim_y, first.curve.noised) == (64, 64, "x")
    second = mmg_nb.estimate(*pair[:2], seed=1, noised="y", **SMALL)
    assert second.curve.noised == "y"


@pytest.mark.parametrize(("name", "value"), [("gap", "cross"), ("blocks", 5)])
def test_what_is_for_rows_of_numbers_is_refused(pair, name, value):
    with pytest.raises(MMGError, match=f"{name}={value!r} is for rows of numbers"):
        mmg_nb.estimate(*pair[:2], **{name: value})


@pytest.mark.usefixtures("short_validation")
def test_mmg_takes_the_estimator_of_images_where_it_would_noise_one(pair):
    """With its own fields, and nothing rescaled."""
    by_itself = mmg_nb.estimate(*pair[:2], seed=1, **SMALL)
    named = mmg_nb.estimate(*pair[:2], "mmg_images", seed=1, **SMALL)
    assert by_itself.estimator == named.estimator == "mmg_images"
    assert by_itself.mi == named.mi
    assert {name: by_itself.fields[name] for name in SMALL} == SMALL
    assert by_itself.fields == named.fields
    numbers = mmg_nb.estimate(pair[0], pair[2], steps=2, draws=4)
    assert numbers.estimator == "mmg"


def test_an_image_is_needed(pair):
    with pytest.raises(MMGError, match="mmg_images needs images in x or y"):
        mmg_nb.estimate(pair[2], pair[2][:, :1], "mmg_images")


@pytest.mark.usefixtures("short_validation")
def test_without_training_nothing_is_found(pair):
    result = mmg_nb.estimate(*pair[:2], steps=0, draws=4)
    assert abs(result.mi) < 1e-6


@pytest.mark.usefixtures("short_validation")
def test_an_interrupt_keeps_what_was_learnt(pair):
    result = mmg_nb.estimate(
        pair[0], pair[1], listen=lambda event: getattr(event, "step", 0) >= 5, **SMALL
    )
    assert result.status == "interrupted"
    assert np.isfinite(result.mi)


@pytest.mark.usefixtures("short_validation")
@pytest.mark.parametrize("numbers_too", [False, True])
def test_labels_are_given_and_images_noised(pair, numbers_too):
    labels = (pair[2][:, 0] > 0).astype(float)
    told = np.c_[labels, pair[2][:, 1]] if numbers_too else labels
    result = mmg_nb.estimate(told, pair[0], discrete="x[0]", **SMALL)
    assert result.curve.noised == "y"
    assert np.isfinite(result.mi)


@pytest.mark.accuracy
def test_numbers_are_noised_and_the_image_tells_of_them():
    """Rejects 0, half and double, and the estimate of images that belong to other rows."""
    u, v = latents(1500, seed=3)
    images = blobs(u, 10)
    images[:, :, 0, 0] = 0
    result = mmg_nb.estimate(images, v, effort="quick")
    assert result.curve.noised == "y"
    assert abs(result.mi - TRUTH) < 4 * result.stderr
    assert 4 * result.stderr < TRUTH / 2
    other = mmg_nb.estimate(blobs(u[::-1], 10), v, effort="quick", steps=200)
    assert abs(other.mi) < 4 * other.stderr + 0.05


@pytest.mark.accuracy
def test_what_an_image_shows_is_found_and_nothing_else():
    """ln 2 for its half, rejecting 0, half and double; 0 for labels of other rows."""
    _, v = latents(400, seed=4)
    fields = {"estimator": "mmg_images", "steps": 150, "batch": 32, "width": 4, "seed": 1}
    labels = (v[:, 0] > 0).astype(str)
    shown = mmg_nb.estimate(blobs(v, 8), labels, **fields)
    assert abs(shown.mi - np.log(2)) < 3 * shown.stderr
    assert 0.7 * np.log(2) < shown.mi < 1.7 * np.log(2)
    other = mmg_nb.estimate(blobs(v, 8), np.roll(labels, 1), **fields)
    assert abs(other.mi) < 3 * other.stderr < 0.3


def test_the_error_does_not_count_pixels():
    u, v = latents(N)
    pairs = make_pairs(blobs(u, 40), np.repeat(np.repeat(blobs(v, 40), 2, axis=2), 2, axis=3))
    assert 2 <= pairs.freedom_x == pairs.freedom_y <= 40


@pytest.mark.accuracy
@pytest.mark.parametrize("seed", [1, 2])
def test_images_of_correlated_places(seed):
    u, v = latents(10_000, seed)
    result = mmg_nb.estimate(blobs(u, 16), blobs(v, 16), seed=seed)
    assert abs(result.mi - TRUTH) < 0.1 * TRUTH
    assert result.stderr < 0.1 * TRUTH
