"""Everything that changes while training goes on, in one object that can be kept."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from mmg_nb.denoisers.gaussian import Denoiser
from mmg_nb.denoisers.logsnr import BinnedProposal, Proposal
from mmg_nb.results.result import Status, TrainingHistory
from mmg_nb.training.optimisers import add_multiple

__all__ = [
    "Arrays",
    "Optimiser",
    "Record",
    "RestorableOptimiser",
    "TrainingState",
    "as_tensors",
    "follow",
    "named",
    "newest_share",
    "part",
    "trained",
]

Arrays = dict[str, NDArray[Any]]
Value = TypeVar("Value")


class Optimiser(Protocol):
    """Updates parameters from their gradients."""

    def step(self, scale: float) -> None:
        """One update, learning rates multiplied by `scale`."""
        ...


class RestorableOptimiser(Optimiser, Protocol):
    """Can be kept and restored."""

    def state(self) -> dict[str, Tensor]:
        """What it has gathered over the steps, by name."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        ...


@dataclass(eq=False)
class Record:
    """What validation has said so far; `judged` is the loss by which progress is judged."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    mi: list[float] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)

    def add(self, step: int, loss: float, mi: float, judged: float | None = None) -> None:
        """Note a validation; progress is judged by the loss if by nothing else."""
        self.step.append(step)
        self.loss.append(loss)
        self.mi.append(mi)
        self.judged.append(loss if judged is None else judged)

    def history(self) -> TrainingHistory:
        """The record as part of a result."""
        return TrainingHistory(
            np.asarray(self.step, dtype=np.int64), np.asarray(self.loss), np.asarray(self.mi)
        )

    def late_gain(self, step: int) -> float:
        """What the second half of the training up to a step added to the estimate.

        Networks approach the optimum slowly: what the last doubling of the steps still gained is
        the scale of what the next ones would.

        Args:
            step: Of the weights in question.

        Returns:
            Nats; 0 if the estimate did not rise.
        """
        half, end = np.interp([step / 2, step], self.step, self.mi)
        return max(0.0, float(end - half))

    def verdict(self, worth: float) -> Status:
        """How training ended that did all its steps.

        Args:
            worth: Fall of the judged loss over the last fifth of the steps from which more of
                them are worth having.

        Returns:
            `STEP_LIMIT` if it fell by more, else `CONVERGED`.
        """
        steps = zip(self.step, self.judged, strict=True)
        earlier = min(loss for step, loss in steps if step <= 0.8 * self.step[-1])
        gained = earlier - min(self.judged)
        enough = math.isfinite(gained) and gained > worth
        return Status.STEP_LIMIT if enough else Status.CONVERGED


@dataclass(eq=False, kw_only=True)
class TrainingState:
    """All that a training run changes: what is restored goes on as if it had never stopped.

    Lessons may be drawn for several steps at once. They are not kept: whoever restores draws them
    again, from where the generator was, and leaves out those that were learnt from.

    Attributes:
        denoiser: The weights being trained.
        average: Their running average, which is validated.
        kept: The average that is kept so far.
        optimiser: With its moments.
        proposal: Density of the training log-SNRs.
        generator: Source of the batches and their noise.
        drawn_from: State of the generator before the present lessons were drawn.
        drawn_at: Step before which that was.
        steps: Steps there are to be, at most.
        record: What validation has said.
        step: Steps done.
        kept_at: Step of the weights kept.
        hopeful_at: Last step at which there were signs of something learnt; 0 once it is kept.
        best: Step of the least judged error.
        least: That error.
        status: How training ended; None while it goes on.
    """

    denoiser: Denoiser
    average: Denoiser
    kept: Denoiser
    optimiser: RestorableOptimiser
    proposal: Proposal
    generator: Generator
    drawn_from: Tensor
    steps: int
    record: Record = field(default_factory=Record)
    step: int = 0
    drawn_at: int = 0
    kept_at: int = 0
    hopeful_at: int = 0
    best: int = 0
    least: float = math.inf
    status: Status | None = None

    @classmethod
    def start(
        cls,
        denoiser: Denoiser,
        optimiser: RestorableOptimiser,
        proposal: Proposal,
        generator: Generator,
        steps: int,
    ) -> TrainingState:
        """The state before the first of so many steps."""
        average = copy.deepcopy(denoiser).requires_grad_(False)
        return cls(
            denoiser=denoiser,
            average=average,
            kept=copy.deepcopy(average),
            optimiser=optimiser,
            proposal=proposal,
            generator=generator,
            drawn_from=generator.get_state(),
            steps=steps,
        )

    def arrays(self) -> Arrays:
        """Copies of every tensor, by name, on the host. Waits for the device."""
        tensors = {"drawn_from": self.drawn_from}
        for name, module in self._modules().items():
            tensors |= named(name, module.state_dict())
        tensors |= named("optimiser", self.optimiser.state())
        if isinstance(self.proposal, BinnedProposal):
            tensors |= named(
                "proposal", {"edges": self.proposal.edges, "mass": self.proposal.mass}
            )
        return {name: value.detach().cpu().numpy().copy() for name, value in tensors.items()}

    def numbers(self) -> dict[str, Any]:
        """Everything that is no tensor, as plain values."""
        return {
            "step": self.step,
            "drawn_at": self.drawn_at,
            "kept_at": self.kept_at,
            "hopeful_at": self.hopeful_at,
            "best": self.best,
            "least": self.least,
            "steps": self.steps,
            "status": None if self.status is None else self.status.value,
            "record": dataclasses.asdict(self.record),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], numbers: Mapping[str, Any]) -> None:
        """Become the state that `arrays` and `numbers` were taken of, but for lessons drawn.

        Raises:
            KeyError: Something is missing.
            RuntimeError: The weights have other names or shapes.
        """
        for name, module in self._modules().items():
            module.load_state_dict(as_tensors(arrays, name))
        self.optimiser.restore(as_tensors(arrays, "optimiser"))
        if "proposal.mass" in arrays:
            device = self.generator.device
            found = as_tensors(arrays, "proposal")
            self.proposal = BinnedProposal(found["edges"].to(device), found["mass"].to(device))
        self.drawn_from = torch.tensor(arrays["drawn_from"])
        self.generator.set_state(self.drawn_from)
        self.step, self.best = numbers["step"], numbers["best"]
        self.drawn_at = numbers["drawn_at"]
        self.kept_at, self.hopeful_at = numbers["kept_at"], numbers["hopeful_at"]
        self.least, self.steps = numbers["least"], numbers["steps"]
        self.status = None if numbers["status"] is None else Status(numbers["status"])
        self.record = Record(**numbers["record"])

    def _modules(self) -> dict[str, Denoiser]:
        return {"denoiser": self.denoiser, "average": self.average, "kept": self.kept}


def trained(module: nn.Module, *others: nn.Module) -> tuple[list[nn.Parameter], ...]:
    """The parameters of a module that are trained, and the same ones of its copies.

    To be listed once: walking through the modules at every step costs as much as a layer.
    """
    every = zip(*(each.parameters() for each in (module, *others)), strict=True)
    return tuple(map(list, zip(*(same for same in every if same[0].requires_grad), strict=True)))


def newest_share(step: int, ema: float) -> float:
    """What share of a running average the present weights get, more at the beginning.

    Args:
        step: Steps done before this one.
        ema: Decay in the long run.
    """
    return 1 - min(ema, (1 + step / 10) / (10 + step / 10))


@torch.no_grad()
def follow(average: Sequence[Tensor], present: Sequence[Tensor], share: float | Tensor) -> None:
    """Move a running average of weights towards the present ones.

    Args:
        average: Changed in place.
        present: The present weights.
        share: See `newest_share`; it may be a number on the device.
    """
    if isinstance(share, Tensor):
        add_multiple(average, torch._foreach_sub(list(present), list(average)), share)
    else:
        torch._foreach_lerp_(list(average), list(present), share)


def named(name: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values with `name.` before each of their names."""
    return {f"{name}.{key}": value for key, value in values.items()}


def part(values: Mapping[str, Value], name: str) -> dict[str, Value]:
    """The values called `name.…`, without that prefix."""
    start = name + "."
    return {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}


def as_tensors(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, Tensor]:
    """The arrays called `name.…`, without that prefix, as new tensors on the host."""
    return {key: torch.tensor(value) for key, value in part(arrays, name).items()}
