"""Runs that are kept in a file: what resuming gives, and what files are refused."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from resuming import content, stop_at
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

import mmg_nb
from mmg_nb.errors import MMGError
from mmg_nb.estimators.registry import estimator_class, names
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Phase, Snapshot, Started, Step
from mmg_nb.training import batches, checkpoint_file
from mmg_nb.training.checkpoint import Checkpoint
from mmg_nb.training.checkpoint_file import Contents, read, write

pytestmark = pytest.mark.usefixtures("predicted_once")
SMALL = {"steps": 240, "width": 16, "blocks": 1, "batch": 32, "draws": 4, "folds": 3}
PUBLISHED = {"estimator": "published", "steps": 20, "batch": 32, "adaptive": True, "draws": 4}
CHANCE = 1e-3  # nats by which rounding may change such a run, with room
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2))
Y = X + RNG.normal(size=(120, 2))


def kept(path, step, **fields):
    """A run that was stopped, and its file."""
    fields = fields or SMALL
    return mmg_nb.estimate(X, Y, checkpoint=path, listen=stop_at(step), **fields)


@pytest.fixture(scope="module")
def whole():
    """The run that nobody interrupts."""
    return mmg_nb.estimate(X, Y, **SMALL)


@pytest.fixture(scope="module")
def stopped_file(tmp_path_factory):
    """The bytes of the file of a run stopped at step 30 of its second training."""
    path = tmp_path_factory.mktemp("kept") / "run.mmg"
    kept(path, 130)
    return path.read_bytes()


@pytest.fixture
def file(tmp_path, stopped_file):
    path = tmp_path / "run.mmg"
    path.write_bytes(stopped_file)
    return path


# --- a resumed run is the run that was never interrupted


def slow(*steps):
    """Steps that are left to the checks of accuracy: each takes seconds."""
    return [pytest.param(step, marks=pytest.mark.accuracy) for step in steps]


@pytest.mark.parametrize("step", [57, *slow(1, 100, 150)])
def test_resumed_equals_uninterrupted_to_the_last_bit(tmp_path, whole, step):
    partial = kept(tmp_path / "run.mmg", step)
    assert partial.status is Status.INTERRUPTED
    assert content(partial) != content(whole)
    resumed = mmg_nb.resume(tmp_path / "run.mmg")
    assert content(resumed) == content(whole)
    assert resumed.provenance["seconds"] > partial.provenance["seconds"] * 0.5


@pytest.fixture(scope="module")
def whole_of_few_ahead():
    """The run that nobody interrupts, of which seven steps are prepared at a time."""
    with pytest.MonkeyPatch.context() as patch:
        drawn = prepare_few_ahead(patch)
        result = mmg_nb.estimate(X, Y, **SMALL)
    assert drawn
    return result


@pytest.fixture
def few_ahead(monkeypatch):
    """Seven steps are prepared at a time. Gives what was drawn so far."""
    return prepare_few_ahead(monkeypatch)


def prepare_few_ahead(monkeypatch):
    """Most runs here prepare all steps up to the next check."""
    drawn = []

    def counted(*given):
        drawn.append(given)
        return draw(*given)

    draw = batches._draw
    monkeypatch.setattr(batches, "steps_ahead", lambda rows, batch, most: min(7, most))
    monkeypatch.setattr(batches, "_draw", counted)
    return drawn


@pytest.mark.parametrize("step", [7, *slow(6, 8, 104)])
def test_it_goes_on_within_lessons_drawn_together(tmp_path, whole_of_few_ahead, few_ahead, step):
    partial = kept(tmp_path / "run.mmg", step)
    assert partial.status is Status.INTERRUPTED
    assert len(few_ahead) == {6: 7, 7: 7, 8: 14, 104: 107}[step]
    assert content(mmg_nb.resume(tmp_path / "run.mmg")) == content(whole_of_few_ahead)


def test_how_many_steps_are_prepared_together_makes_no_difference(whole, whole_of_few_ahead):
    """Up to rounding: matrix products of other shapes may add up in another order.

    240 steps have scattered by at most 2e-5 over kernels and rounding errors of 1e-6.
    """
    assert whole_of_few_ahead.mi == pytest.approx(whole.mi, abs=CHANCE)
    assert whole_of_few_ahead.stderr == pytest.approx(whole.stderr, abs=CHANCE)
    assert mmg_nb.estimate(X, Y, seed=1, **SMALL).mi != pytest.approx(whole.mi, abs=CHANCE)


def test_a_run_may_be_stopped_again_and_again(tmp_path, whole):
    kept(tmp_path / "run.mmg", 20)
    for more in (1, 35, 50):
        partial = mmg_nb.resume(tmp_path / "run.mmg", listen=stop_at(more))
        assert partial.status is Status.INTERRUPTED
    assert content(mmg_nb.resume(tmp_path / "run.mmg")) == content(whole)


@pytest.mark.parametrize("form", ["conditional", "joint"])
def test_a_run_of_minde_goes_on(tmp_path, form):
    fields = {**SMALL, "estimator": "minde", "steps": 110, "form": form, "sigma": True}
    expected = mmg_nb.estimate(X, Y, **fields)
    kept(tmp_path / "run.mmg", 101, **fields)
    assert content(mmg_nb.resume(tmp_path / "run.mmg")) == content(expected)


def test_a_run_of_two_trainings_goes_on_in_either(tmp_path):
    expected = mmg_nb.estimate(X, Y, **PUBLISHED)
    for step in (13, 27):
        kept(tmp_path / f"{step}.mmg", step, **PUBLISHED)
        assert content(mmg_nb.resume(tmp_path / f"{step}.mmg")) == content(expected)


@pytest.mark.parametrize(
    "fields",
    [{"gap": "cross"}, {"folds": 1}, {"noised": "y"}, {"given": X[:, 1]}],
    ids=["cross", "single split", "noised y", "given"],
)
def test_every_kind_of_run_goes_on(tmp_path, fields):
    fields = SMALL | fields
    expected = mmg_nb.estimate(X, Y[:, :1], seed=3, groups=np.arange(120) // 3, **fields)
    path = tmp_path / "run.mmg"
    asked = {"seed": 3, "groups": np.arange(120) // 3, "checkpoint": path, **fields}
    mmg_nb.estimate(X, Y[:, :1], listen=stop_at(50), **asked)
    assert content(mmg_nb.resume(path)) == content(expected)


@pytest.mark.parametrize("step", [60, *slow(160)])
@pytest.mark.parametrize("fields", [{}, {"gap": "cross"}], ids=["inner", "cross"])
def test_a_run_that_has_learnt_what_lengths_tell_goes_on(tmp_path, step, fields):
    """Stopped in either training; the second starts from what the first has learnt."""
    rng = np.random.default_rng(0)
    scale = np.exp(rng.normal(size=(400, 1)))
    x, y = (scale * rng.normal(size=(400, 2)) for _ in range(2))
    fields = SMALL | fields
    expected = mmg_nb.estimate(x, y, **fields)
    begun = int(np.flatnonzero(np.diff(expected.history.step) == 0)[0]) + 1
    assert expected.history.mi[begun] > expected.history.mi[0] + 0.1
    path = tmp_path / "run.mmg"
    stopped = mmg_nb.estimate(x, y, checkpoint=path, listen=stop_at(step), **fields)
    assert stopped.status is Status.INTERRUPTED
    assert content(mmg_nb.resume(path)) == content(expected)


@pytest.mark.accuracy
def test_a_run_that_has_learnt_in_two_stages_goes_on_in_the_third(tmp_path):
    """Many columns: lengths, what the anchor has found, everything else."""
    rng = np.random.default_rng(0)
    scale = np.exp(rng.normal(size=(600, 1)))
    x, y = rng.normal(size=(2, 600, 7))
    y[:, 0] = x[:, 0] * np.abs(x[:, 0]) + 0.1 * y[:, 0]
    x, y = scale * x, scale * y
    fields = SMALL | {"steps": 500, "batch": 128}
    expected = mmg_nb.estimate(x, y, **fields)
    begun = [0, *(np.flatnonzero(np.diff(expected.history.step) == 0) + 1)]
    assert len(begun) == 3
    assert np.all(np.diff(expected.history.mi[begun]) > 0.1)
    path = tmp_path / "run.mmg"
    stop = int(expected.history.step[begun[2]]) + 50
    mmg_nb.estimate(x, y, checkpoint=path, listen=stop_at(stop), **fields)
    assert content(mmg_nb.resume(path)) == content(expected)


FUNCTION = SMALL | {"steps": 300, "batch": 128, "width": 32, "learning_rate": 0.01}


ONE_Y = np.random.default_rng(0).normal(size=(400, 1))
# Nearly a function of y: the gap stays open at high log-SNRs.
ONE_X = ONE_Y**2 + 1e-3 * np.random.default_rng(1).normal(size=(400, 1))


@pytest.fixture(scope="module")
def widened():
    """The run that nobody interrupts, of which the range of log-SNRs is widened."""
    return mmg_nb.estimate(ONE_X, ONE_Y, **FUNCTION)


@pytest.mark.parametrize("step", [100, *slow(60, 101, 250)])
def test_a_run_whose_range_is_widened_goes_on(tmp_path, widened, step):
    assert widened.history.step[-1] == 300
    assert widened.curve.logsnr[-1] > 12
    path = tmp_path / "run.mmg"
    mmg_nb.estimate(ONE_X, ONE_Y, checkpoint=path, listen=stop_at(step), **FUNCTION)
    assert content(mmg_nb.resume(path)) == content(widened)


def test_a_run_that_has_not_begun_to_train_goes_on(tmp_path, whole):
    class Crash(Exception):
        pass

    def listen(event):
        if isinstance(event, (Started, Phase)):
            raise Crash

    path = tmp_path / "run.mmg"
    with pytest.raises(Crash):
        mmg_nb.estimate(X, Y, checkpoint=path, listen=listen, **SMALL)
    assert read(path).values["trainings"] == []
    assert content(mmg_nb.resume(path)) == content(whole)


def test_what_comes_before_training_is_not_done_again(file):
    events = []
    mmg_nb.resume(file, listen=lambda event: events.append(event))
    assert next(e.step for e in events if isinstance(e, Step)) == 131
    assert [e.step for e in events if isinstance(e, Snapshot)] == [200, 300]
    assert read(file).values["finished"]


def test_a_finished_run_gives_its_result_again(tmp_path, whole):
    path = tmp_path / "run.mmg"
    assert content(mmg_nb.estimate(X, Y, checkpoint=path, **SMALL)) == content(whole)
    steps = []
    again = mmg_nb.resume(path, listen=lambda e: steps.append(isinstance(e, Snapshot)))
    assert content(again) == content(whole)
    assert not any(steps)


def test_keeping_a_run_changes_nothing_in_it(tmp_path, whole):
    often = mmg_nb.estimate(X, Y, checkpoint=tmp_path / "run.mmg", every=0.05, **SMALL)
    assert content(often) == content(whole)


def test_the_arrays_may_be_changed_while_it_is_kept(tmp_path, whole):
    x, y = X.copy(), Y.copy()

    def spoil(event):
        x[:], y[:] = 0, 0  # from the first event on
        return isinstance(event, Step)

    mmg_nb.estimate(x, y, checkpoint=tmp_path / "run.mmg", listen=spoil, **SMALL)
    assert content(mmg_nb.resume(tmp_path / "run.mmg")) == content(whole)


# --- when it is written


def test_it_is_written_by_the_clock_and_at_the_end(tmp_path):
    now, written = [0.0], []
    checkpoint = Checkpoint(tmp_path / "run.mmg", 10.0, Contents({}, {}), clock=lambda: now[0])

    class State:
        step = 0
        generator = SimpleNamespace(device="cpu")

        def numbers(self):
            return {"step": self.step}

        def arrays(self):
            return {}

    state = State()
    checkpoint.track(state)
    for step in range(36):
        now[0], state.step = float(step), step
        checkpoint.maybe_save(state, urgent=step == 33)
        if checkpoint.path.exists():
            found = read(checkpoint.path).values
            written += [(found["trainings"][0]["step"], found["seconds"])]
    assert sorted(set(written)) == [(10, 10.0), (20, 20.0), (30, 30.0), (33, 33.0)]


def test_a_disk_that_fails_costs_the_file_but_not_the_run(tmp_path, whole, monkeypatch):
    path = tmp_path / "run.mmg"
    from mmg_nb.training import checkpoint

    def full(path, contents):
        raise OSError(28, "No space left on device")

    def listen(event):
        if isinstance(event, Step):
            monkeypatch.setattr(checkpoint, "write", full)

    result = mmg_nb.estimate(X, Y, checkpoint=path, every=0.05, listen=listen, **SMALL)
    assert result.mi == whole.mi
    assert "No space left on device" in result.notes[-1]
    monkeypatch.undo()
    assert content(mmg_nb.resume(path)) == content(whole)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "run.mmg"
    write(path, Contents({"a": 1}, {}))

    def fails(descriptor):
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="the disk is gone"):
        write(path, Contents({"a": 2}, {}))
    assert read(path).values == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["run.mmg"]


# --- what is refused


def refused(act):
    with pytest.raises(MMGError) as caught:
        act()
    assert str(caught.value).count("\n") == 1
    return caught.value.what


def test_no_file(tmp_path):
    assert "There is no checkpoint at" in refused(lambda: mmg_nb.resume(tmp_path / "none.mmg"))
    for act in (mmg_nb.resume, lambda path: mmg_nb.estimate(X, Y, checkpoint=path, **SMALL)):
        assert "is a folder, not a checkpoint" in refused(lambda act=act: act(tmp_path))
    assert "must be the path of a file" in refused(lambda: mmg_nb.resume(3))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:7],
        lambda data: data[:200],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"Dear diary" * 500,
        lambda data: b"PK\x03\x04" + data,
        lambda data: bytes(len(data)),
    ],
)
def test_a_cut_or_foreign_file_is_refused_and_left_alone(file, damage):
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    refused(lambda: mmg_nb.resume(file))
    refused(lambda: mmg_nb.estimate(X, Y, checkpoint=file, **SMALL))
    assert file.read_bytes() == damaged


def test_a_changed_byte_anywhere_is_noticed(file):
    data = file.read_bytes()
    for place in np.random.default_rng(0).integers(len(data), size=200):
        damaged = bytearray(data)
        damaged[place] ^= 0x11
        file.write_bytes(bytes(damaged))
        refused(lambda: read(file))


NESTED = json.loads("[" * 50 + "]" * 50)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("package", 1),
        ("every", -1),
        ("every", "often"),
        ("seconds", float("nan")),
        ("device", 3),
        ("finished", 0),
        ("fingerprint", 10**30),
        ("job", []),
        ("job.estimator", None),
        ("job.fields", {"steps": NESTED}),
        ("job.seed", -1),
        ("job.seed", 0.5),
        ("job.notes", "one"),
        ("job.discrete_x", ["²"]),
        ("trainings", {}),
        ("trainings.0.step", "30"),
        ("trainings.0.step", -1),
        ("trainings.0.step", 10**30),
        ("trainings.0.least", None),
        ("trainings.0.ended", "somehow"),
        ("trainings.0.record", {"step": [0]}),
        ("trainings.0.record.mi", []),
        ("trainings.0.record", {"step": [], "loss": [], "mi": [], "progress_loss": []}),
    ],
)
def test_a_forged_value_is_refused_as_damage(file, place, value):
    """The checksum is right, as in a file that someone has written by hand."""
    contents = read(file)
    *path, last = place.split(".")
    inner = contents.values
    for name in path:
        inner = inner[int(name) if name.isdecimal() else name]
    inner[last] = value
    write(file, contents)
    assert "is damaged (" in refused(lambda: mmg_nb.resume(file))
    if not place.startswith("job."):
        assert "is damaged (" in refused(lambda: mmg_nb.estimate(X, Y, checkpoint=file, **SMALL))


@pytest.mark.parametrize("place", ["", "job", "trainings", "record"])
def test_a_missing_value_is_refused_as_damage(file, place):
    contents = read(file)
    inner = contents.values
    inner = inner.get(place, inner)
    if place in ("trainings", "record"):
        inner = contents.values["trainings"][-1].get(place, contents.values["trainings"][-1])
    optional = {"notes", "given", "discrete_x", "discrete_y", "discrete_z", "shape_x", "shape_y"}
    optional |= {"names", "inflation", "texts"}
    for key in set(inner) - optional:
        value = inner.pop(key)
        write(file, contents)
        assert "is damaged (" in refused(lambda: mmg_nb.resume(file))
        inner[key] = value
    write(file, contents)
    assert mmg_nb.resume(file).status.complete or place == "record"


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("x", X.astype(np.float32)),
        ("x", X[:-1]),
        ("x", X[:, 0]),
        ("y", X.astype("i8")),
        ("clusters", np.zeros((120, 1), dtype=np.int64)),
        ("given", X[:7]),
    ],
)
def test_forged_data_are_refused_as_damage(file, name, array):
    contents = read(file)
    contents.arrays[f"job.{name}"] = array
    write(file, contents)
    assert "is damaged (" in refused(lambda: mmg_nb.resume(file))


@pytest.mark.parametrize("name", ["once.anchor.generator", "training 1.proposal.edges"])
def test_a_forged_array_does_not_fit(file, name):
    contents = read(file)
    contents.arrays[name] = np.zeros(3)
    write(file, contents)
    assert "cannot read it" in refused(lambda: mmg_nb.resume(file))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "²", "", "[1]"])
def test_values_that_python_cannot_read_are_refused(file, monkeypatch, text):
    contents = read(file)
    with monkeypatch.context() as patched:
        patched.setattr(json, "dumps", lambda _: text)
        write(file, contents)
    assert "is damaged (" in refused(lambda: mmg_nb.resume(file))


def test_numbers_that_numpy_lacks_are_refused(tmp_path):
    path = tmp_path / "run.mmg"
    save_torch(
        {"weight": torch.zeros(3, dtype=torch.bfloat16)},
        path,
        {"format": "mmg_nb.Checkpoint", "number": str(checkpoint_file.NUMBER)},
    )
    assert "is no checkpoint, or is incomplete" in refused(lambda: mmg_nb.resume(path))


@pytest.mark.parametrize("number", ["²", "9" * 5000, "", "-1"])
def test_a_format_that_is_no_number_is_refused(tmp_path, number):
    path = tmp_path / "run.mmg"
    header = {"format": "mmg_nb.Checkpoint", "number": number}
    save_file({"weight": np.zeros(3)}, path, header)
    assert "this version reads 14" in refused(lambda: mmg_nb.resume(path))


def test_tensors_of_another_program_are_refused(tmp_path):
    save_file({"weight": np.zeros(3)}, tmp_path / "model.safetensors")
    assert "no checkpoint of mmg_nb" in refused(
        lambda: mmg_nb.resume(tmp_path / "model.safetensors")
    )


@pytest.mark.parametrize(("number", "remedy"), [(15, "Update mmg_nb;"), (13, "that wrote it;")])
def test_another_format_is_told(file, monkeypatch, number, remedy):
    contents = read(file)
    monkeypatch.setattr(checkpoint_file, "NUMBER", number)
    write(file, contents)
    monkeypatch.undo()
    with pytest.raises(MMGError, match=f"is in format {number}; this version reads 14") as caught:
        mmg_nb.resume(file)
    assert remedy in caught.value.remedy


def test_stored_names_belong_to_the_number_of_the_format(file):
    """A new name needs a new number. Older files are then refused with a remedy."""
    values, arrays = read(file).values, read(file).arrays
    job = {name for name in (*values["job"], *arrays) if not name.startswith(("once", "training"))}
    pairs = {"notes", "given", "discrete_x", "discrete_y", "discrete_z", "shape_x", "shape_y"}
    pairs |= {"names", "inflation", "texts"}
    assert checkpoint_file.NUMBER == 14
    assert job == {"estimator", "fields", "seed", "device", *pairs} | {
        "job.x",
        "job.y",
        "job.clusters",
    }
    training = values["trainings"][0]
    steps = {"step", "drawn_at", "kept_at", "best"}
    assert set(training) == steps | {"least", "evidence", "ended", "record"}
    assert set(training["record"]) == {"step", "loss", "mi", "progress_loss"}


def test_weights_of_another_version_are_told(file):
    contents = read(file)
    gone = {k: v for k, v in contents.arrays.items() if not k.endswith("denoiser.null")}
    write(file, Contents({**contents.values, "package": "0.0.7"}, gone))
    assert "by mmg_nb 0.0.7; this version, " in refused(lambda: mmg_nb.resume(file))


def test_another_split_of_the_rows_is_refused(file):
    contents = read(file)
    write(file, Contents({**contents.values, "fingerprint": 1}, contents.arrays))
    assert "numpy splits the rows of" in refused(lambda: mmg_nb.resume(file))


def test_an_unfinished_run_is_not_overwritten(file):
    before = file.read_bytes()
    what = refused(lambda: mmg_nb.estimate(X, Y, checkpoint=file, **SMALL))
    assert "a run that has not finished (step 30)" in what
    assert file.read_bytes() == before


def test_a_finished_run_is(tmp_path):
    path = tmp_path / "run.mmg"
    for _ in range(2):
        result = mmg_nb.estimate(X, Y, checkpoint=path, **(SMALL | {"steps": 2}))
        assert result.status is not Status.INTERRUPTED


def test_an_estimator_without_training_needs_none(tmp_path):
    for name in (n for n in names() if not estimator_class(n).trains):
        what = refused(lambda n=name: mmg_nb.estimate(X, Y, n, checkpoint=tmp_path / "run.mmg"))
        assert what == f"{name} needs no checkpoint: it does not train."
    for name in ("mine", "doe"):
        what = refused(lambda n=name: mmg_nb.estimate(X, Y, n, checkpoint=tmp_path / "run.mmg"))
        assert what == f"The training of {name} cannot be saved in a checkpoint."
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_categories_cannot_be_kept(tmp_path):
    label = np.arange(120) % 3
    what = refused(lambda: mmg_nb.estimate(X, label, checkpoint=tmp_path / "run.mmg", **SMALL))
    assert what == "A run on categories cannot be saved in a checkpoint."
    asked = {"discrete": "none", "checkpoint": tmp_path / "run.mmg", **SMALL}
    assert mmg_nb.estimate(X, label, listen=stop_at(3), **asked).status is Status.INTERRUPTED
    assert (tmp_path / "run.mmg").exists()


def test_a_folder_that_is_not_there_is_told_at_once(tmp_path):
    path = tmp_path / "none" / "run.mmg"
    what = refused(lambda: mmg_nb.estimate(X, Y, checkpoint=path, **SMALL))
    assert "No checkpoint can be written to" in what


@pytest.mark.parametrize("every", [-1, float("nan"), "often", True])
def test_an_interval_that_is_none_is_told(tmp_path, every):
    path = tmp_path / "run.mmg"
    assert "every must be" in refused(
        lambda: mmg_nb.estimate(X, Y, checkpoint=path, every=every, **SMALL)
    )
    assert not path.exists()
