"""The state of a training in one object, which can be saved and restored."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from mmg_nb.denoisers.gaussian import Denoiser
from mmg_nb.denoisers.logsnr import BinnedProposal, Proposal
from mmg_nb.training.optimisers import add_multiple
from mmg_nb.training.stopping import Ended, Record

__all__ = [
    "Arrays",
    "Optimiser",
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
        """Update the parameters; `scale` multiplies the learning rates."""
        ...


@runtime_checkable
class RestorableOptimiser(Optimiser, Protocol):
    """An optimiser whose state can be saved and restored."""

    def state(self) -> dict[str, Tensor]:
        """The state of the optimiser, by name."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned."""
        ...


@dataclass(eq=False, kw_only=True)
class TrainingState:
    """Everything that a training changes; after restoring it, training continues unchanged.

    Batches may be drawn for several steps at once. They are not saved. A resumed training draws
    them again from the saved state of the generator, and skips those that were already used.

    Attributes:
        denoiser: The weights being trained.
        average: Their running average, which is validated.
        kept: The running average that is kept so far.
        optimiser: The optimiser with its moments.
        proposal: Density of the training log-SNRs.
        generator: Source of the batches and their noise.
        drawn_from: State of the generator before the current batches were drawn.
        drawn_at: Step at which they were drawn.
        record: All validations so far.
        step: Steps done.
        kept_at: Step of the kept weights.
        evidence: The most evidence of learning so far, standard errors.
        best: Step of the lowest progress loss.
        least: The lowest progress loss.
        ended: How training ended; None while it goes on.
    """

    denoiser: Denoiser
    average: Denoiser
    kept: Denoiser
    optimiser: RestorableOptimiser
    proposal: Proposal
    generator: Generator
    drawn_from: Tensor
    record: Record = field(default_factory=Record)
    step: int = 0
    drawn_at: int = 0
    kept_at: int = 0
    evidence: float = -math.inf
    best: int = 0
    least: float = math.inf
    ended: Ended | None = None

    @classmethod
    def start(
        cls,
        denoiser: Denoiser,
        optimiser: RestorableOptimiser,
        proposal: Proposal,
        generator: Generator,
    ) -> TrainingState:
        """The state before the first step."""
        average = copy.deepcopy(denoiser).requires_grad_(False)
        return cls(
            denoiser=denoiser,
            average=average,
            kept=copy.deepcopy(average),
            optimiser=optimiser,
            proposal=proposal,
            generator=generator,
            drawn_from=generator.get_state(),
        )

    def arrays(self) -> Arrays:
        """Copies of all tensors by name, on the host. Waits for the device."""
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
        """All values that are not tensors, as plain values."""
        return {
            "step": self.step,
            "drawn_at": self.drawn_at,
            "kept_at": self.kept_at,
            "evidence": self.evidence,
            "best": self.best,
            "least": self.least,
            "ended": None if self.ended is None else self.ended.value,
            "record": dataclasses.asdict(self.record),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], numbers: Mapping[str, Any]) -> None:
        """Restore the state from `arrays` and `numbers`, except for the batches drawn.

        Raises:
            KeyError: A value is missing.
            RuntimeError: The weights have other names or shapes.
            ValueError: Another value does not fit.
        """
        for name, module in self._modules().items():
            module.load_state_dict(as_tensors(arrays, name))
        self.optimiser.restore(as_tensors(arrays, "optimiser"))
        if "proposal.mass" in arrays:
            device = self.generator.device
            found = as_tensors(arrays, "proposal")
            if found["edges"].shape != (len(found["mass"]) + 1,):
                raise ValueError("edges and mass of the proposal differ in length")
            self.proposal = BinnedProposal(found["edges"].to(device), found["mass"].to(device))
        self.drawn_from = torch.tensor(arrays["drawn_from"])
        self.generator.set_state(self.drawn_from)
        self.step, self.best = numbers["step"], numbers["best"]
        self.drawn_at = numbers["drawn_at"]
        self.kept_at = numbers["kept_at"]
        self.least, self.evidence = numbers["least"], numbers["evidence"]
        self.ended = None if numbers["ended"] is None else Ended(numbers["ended"])
        self.record = Record(**numbers["record"])

    def _modules(self) -> dict[str, Denoiser]:
        return {"denoiser": self.denoiser, "average": self.average, "kept": self.kept}


def trained(module: nn.Module, *others: nn.Module) -> tuple[list[nn.Parameter], ...]:
    """The trained parameters of a module, and the corresponding ones of its copies.

    List them once: traversing the modules at every step costs as much as a layer.
    """
    every = zip(*(each.parameters() for each in (module, *others)), strict=True)
    return tuple(map(list, zip(*(same for same in every if same[0].requires_grad), strict=True)))


def newest_share(step: int, ema: float) -> float:
    """Fraction of the current weights in their running average; it is larger at the beginning.

    Args:
        step: Steps done before this one.
        ema: Decay after many steps.
    """
    return 1 - min(ema, (1 + step / 10) / (10 + step / 10))


@torch.no_grad()
def follow(average: Sequence[Tensor], present: Sequence[Tensor], share: float | Tensor) -> None:
    """Move a running average of weights towards the current weights.

    Args:
        average: The running average; changed in place. Empty for none.
        present: The current weights.
        share: See `newest_share`; it may be a tensor on the device.
    """
    if not average:
        return
    if isinstance(share, Tensor):
        add_multiple(average, torch._foreach_sub(list(present), list(average)), share)
    else:
        torch._foreach_lerp_(list(average), list(present), share)


def named(name: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """The values, with the prefix `name.` added to their names."""
    return {f"{name}.{key}": value for key, value in values.items()}


def part(values: Mapping[str, Value], name: str) -> dict[str, Value]:
    """The values whose names start with `name.`, without this prefix."""
    start = name + "."
    return {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}


def as_tensors(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, Tensor]:
    """The arrays whose names start with `name.`, without this prefix, as tensors on the host."""
    return {key: torch.tensor(value) for key, value in part(arrays, name).items()}
