"""Muon for hidden matrices and AdamW for all other parameters, over stacked members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.adamw import adamw

__all__ = [
    "Adam",
    "ClippedMuon",
    "MuonAdamW",
    "add_multiple",
    "clip_by_member",
    "orthogonalized",
]

CLIP_NORM = 5.0
MUON_TO_ADAMW = 5.0  # ratio of the learning rates
MUON_EVERY = 2  # steps per orthogonalisation; the rate is multiplied by the same number
BETAS = 0.9, 0.999  # averages of gradients and of their squares; default of PyTorch
EPS = 1e-8  # default of PyTorch
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: quintic


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) at a rate that is given at every step.

    It calls PyTorch's function. PyTorch's class would import the compiler, which takes 1.7 s. One
    kernel updates all parameters: a loop over them takes as long as the rest of a small step.

    Args:
        parameters: The trained parameters.
        learning_rate: Learning rate.
        weight_decay: Weight decay.
        decoupled: Whether weights decay apart from the gradient, as in AdamW (Loshchilov and
            Hutter 2019, arXiv 1711.05101).
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        learning_rate: float,
        weight_decay: float,
        decoupled: bool = True,
    ) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.decoupled = decoupled
        self.steps = [
            torch.zeros((), dtype=torch.float32, device=p.device) for p in self.parameters
        ]
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def step(self, scale: float) -> None:
        """Update parameters from their gradients; `scale` multiplies the learning rate."""
        self.update(scale, self.advance())

    def advance(self) -> int:
        """All steps are of one kind; see `MuonAdamW.advance`."""
        return 0

    @torch.no_grad()
    def update(self, scale: float | Tensor, kind: int) -> None:
        """Update the parameters."""
        gradients = {k: p.grad for k, p in enumerate(self.parameters) if p.grad is not None}
        used = list(gradients)
        rule = adamw if self.decoupled else adam
        rule(
            [self.parameters[k] for k in used],
            list(gradients.values()),
            [self.means[k] for k in used],
            [self.squares[k] for k in used],
            [],
            [self.steps[k] for k in used],
            fused=True,
            capturable=self.parameters[0].device.type == "cuda",
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.learning_rate * scale,
            weight_decay=self.weight_decay,
            eps=EPS,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """Steps and moments: `<number of the parameter>.<name>` -> value."""
        names = {"step": self.steps, "exp_avg": self.means, "exp_avg_sq": self.squares}
        return {f"{k}.{name}": v for name, values in names.items() for k, v in enumerate(values)}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned."""
        for name, value in self.state().items():
            value.copy_(state[name].reshape(value.shape))  # a file keeps a number as an array


class MuonAdamW:
    """Muon (Jordan et al. 2024) on stacks of square matrices, AdamW on all other parameters.

    PyTorch's own Muon takes single matrices only. Here one batched Newton–Schulz iteration serves
    all matrices of all members. It takes about as much time as a gradient of a small network, and
    momentum changes slowly. Therefore hidden matrices are updated at every second step by default,
    and at every fourth one by `mmg`, with a rate as many times as high.

    Args:
        hidden: Parameters `(members, width, width)`, for Muon.
        rest: All other parameters, for AdamW.
        learning_rate: Learning rate of AdamW.
        muon_rate: Learning rate of Muon.
        weight_decay: Decoupled weight decay of the hidden matrices.
        momentum: Nesterov momentum of Muon.
        every: Steps per orthogonalisation.
    """

    def __init__(
        self,
        hidden: list[nn.Parameter],
        rest: list[nn.Parameter],
        *,
        learning_rate: float,
        muon_rate: float,
        weight_decay: float,
        momentum: float = 0.95,
        every: int = MUON_EVERY,
    ) -> None:
        self.hidden = hidden
        self.rest = rest
        self.learning_rate = learning_rate
        self.muon_rate = muon_rate
        self.weight_decay = weight_decay
        self.momentum = momentum
        self.every = every
        self.steps = 0
        self.velocity = [torch.zeros_like(p) for p in hidden]
        self.adamw = Adam(rest, learning_rate=learning_rate, weight_decay=0.0)

    def step(self, scale: float) -> None:
        """Update parameters from their gradients.

        Args:
            scale: Factor of both learning rates.
        """
        self.update(scale, self.advance())

    def advance(self) -> int:
        """Count a step, and return its kind: 0 if it updates hidden matrices or there are none."""
        self.steps += 1
        return self.steps % self.every if self.hidden else 0

    @torch.no_grad()
    def update(self, scale: float | Tensor, kind: int) -> None:
        """Update the parameters, for a step of the kind that `advance` returned."""
        self.adamw.update(scale, 0)
        gradients = [p.grad for p in self.hidden if p.grad is not None]
        if not gradients:
            return
        torch._foreach_lerp_(self.velocity, gradients, 1 - self.momentum)
        if kind:
            return
        ahead = torch._foreach_lerp(gradients, self.velocity, self.momentum)
        updates = orthogonalized(torch.cat(list(ahead))).split([len(p) for p in self.hidden])
        rate = self.every * self.muon_rate * scale
        hidden: list[Tensor] = list(self.hidden)
        torch._foreach_mul_(hidden, 1 - rate * self.weight_decay)
        add_multiple(hidden, updates, -rate)

    def state(self) -> dict[str, Tensor]:
        """Moments of Muon and AdamW, by name."""
        velocity = {f"velocity.{k}": v for k, v in enumerate(self.velocity)}
        return {"steps": torch.tensor(self.steps), **velocity, **self.adamw.state()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned."""
        self.steps = int(state["steps"])
        for k, velocity in enumerate(self.velocity):
            velocity.copy_(state[f"velocity.{k}"])
        self.adamw.restore(state)


class ClippedMuon(MuonAdamW):
    """Muon and AdamW, after clipping the gradient of each member.

    Args:
        parameters: All trained parameters, each `(members, …)` with three axes.
        hidden: The hidden matrices among them.
        learning_rate: Learning rate of AdamW.
        muon_rate: Learning rate of Muon; default: `MUON_TO_ADAMW` times that of AdamW.
        weight_decay: Decoupled weight decay of the hidden matrices.
        every: Steps per orthogonalisation.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        hidden: list[nn.Parameter],
        *,
        learning_rate: float,
        weight_decay: float,
        muon_rate: float | None = None,
        every: int = MUON_EVERY,
    ) -> None:
        self.parameters = list(parameters)
        known = {id(p) for p in hidden}
        super().__init__(
            hidden,
            [p for p in self.parameters if id(p) not in known],
            learning_rate=learning_rate,
            muon_rate=MUON_TO_ADAMW * learning_rate if muon_rate is None else muon_rate,
            weight_decay=weight_decay,
            every=every,
        )

    def update(self, scale: float | Tensor, kind: int) -> None:
        """Clip the gradients, and update all parameters; see `MuonAdamW`."""
        clip_by_member(self.parameters, CLIP_NORM)
        super().update(scale, kind)


def add_multiple(
    targets: Sequence[Tensor], values: Sequence[Tensor], factor: float | Tensor
) -> None:
    """Add `factor` times its value to each target; the factor may be on the device."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(list(targets), torch._foreach_mul(list(values), factor))
    else:
        torch._foreach_add_(list(targets), list(values), alpha=factor)


def orthogonalized(matrices: Tensor, rounds: int = 4) -> Tensor:
    """Approximate orthogonal factor of each matrix, by a Newton–Schulz iteration.

    The Frobenius norm of the Gram matrix bounds the largest singular value more tightly than that
    of the matrix itself. This saves one of five iterations. The first iteration needs this Gram
    matrix anyway.

    Args:
        matrices: `(k, rows, columns)`.
        rounds: Iterations.

    Returns:
        Matrices of the same shape, with singular values of about 0.7 to 1.2.
    """
    a, b, c = NEWTON_SCHULZ
    gram = matrices @ matrices.mT
    bound = gram.norm(dim=(1, 2), keepdim=True).sqrt() + 1e-7
    x, gram = matrices / bound, gram / bound**2
    for k in range(rounds):
        if k:
            gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


@torch.no_grad()
def clip_by_member(parameters: list[nn.Parameter], limit: float) -> None:
    """Scale the gradient of each member so that its norm is at most `limit`.

    Args:
        parameters: Parameters with gradients, each `(members, …)` with three axes.
        limit: Maximum norm.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.cat([g.flatten(1) for g in gradients], dim=1).norm(dim=1)
    factor = (limit / (norm + 1e-12)).clamp_max(1.0).view(-1, 1, 1)
    torch._foreach_mul_(gradients, [factor] * len(gradients))
