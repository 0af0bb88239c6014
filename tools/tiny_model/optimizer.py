"""Muon for the matrices, AdamW for the rest, shared between the processes of one run.

Every process holds the same weights; gradients are averaged as one flat vector, and the costly
part of Muon (Newton-Schulz) is divided over the processes. Knows no schedule and no data.
"""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .model import Model

MATRICES = ("gate", "up", "down", "q", "k", "v", "o")


def orthogonal(g: Tensor, rounds: int = 5) -> Tensor:
    """Nearest orthogonal matrices to a stack (n, rows, columns), by Newton-Schulz."""
    tall = g.shape[-2] > g.shape[-1]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if tall else x


class Optimizer:
    """One step from averaged gradients; `scale` multiplies both learning rates."""

    def __init__(self, model: Model, muon_lr: float, adam_lr: float) -> None:
        self.muon_lr, self.adam_lr = muon_lr, adam_lr
        self.params = list(model.parameters())
        named = dict(model.named_parameters())
        self.matrices = {n: p for n, p in named.items() if n.split(".")[-1] in MATRICES}
        others = [p for n, p in named.items() if n not in self.matrices]
        self.others = others
        self.adam = torch.optim.AdamW(others, adam_lr, (0.9, 0.98), weight_decay=0.0)
        self.momentum = {n: torch.zeros_like(p) for n, p in self.matrices.items()}
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0

    def average(self) -> None:
        """Average the gradients over the processes."""
        if self.world == 1:
            return
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.params]
        flat = nn.utils.parameters_to_vector(grads)
        dist.all_reduce(flat)
        flat /= self.world
        at = 0
        for p in self.params:
            p.grad = flat[at : at + p.numel()].view_as(p)
            at += p.numel()

    @torch.no_grad()
    def step(self, scale: float, early_attention: float) -> float:
        """Update; `early_attention` further scales Muon on layers 0 and 1's attention."""
        norm = nn.utils.clip_grad_norm_(self.others, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = self.adam_lr * scale
        self.adam.step()
        updates = self._directions()
        for name, p in self.matrices.items():
            early = name.startswith(("layers.0.attention", "layers.1.attention"))
            lr = self.muon_lr * scale * (early_attention if early else 1.0)
            shape = max(1.0, p.shape[-2] / p.shape[-1]) ** 0.5
            p.mul_(1 - lr * 0.02).add_(updates[name], alpha=-lr * shape)
        return float(norm)

    def _directions(self) -> dict[str, Tensor]:
        """Orthogonalised Nesterov momentum of every matrix; each process computes its share."""
        pushed = {}
        for name, p in self.matrices.items():
            m = self.momentum[name].lerp_(p.grad, 0.05)
            pushed[name] = p.grad.lerp(m, 0.95)
        groups: dict[tuple[int, int], list[str]] = {}
        for name, p in self.matrices.items():
            groups.setdefault((p.shape[-2], p.shape[-1]), []).append(name)
        out: dict[str, Tensor] = {}
        for (rows, columns), names in groups.items():
            stack = torch.cat([pushed[n].reshape(-1, rows, columns) for n in names])
            result = self._shared(stack)
            sizes = [pushed[n].numel() // (rows * columns) for n in names]
            parts = result.split(sizes)
            out.update({n: q.view_as(pushed[n]) for n, q in zip(names, parts, strict=True)})
        return out

    def _shared(self, stack: Tensor) -> Tensor:
        if self.world == 1:
            return orthogonal(stack)
        result = torch.zeros_like(stack)
        mine = slice(self.rank, None, self.world)
        result[mine] = orthogonal(stack[mine])
        dist.all_reduce(result)
        return result

    def state(self) -> dict:
        """Everything needed to go on later."""
        return {"adam": self.adam.state_dict(), "momentum": self.momentum}

    def restore(self, state: dict) -> None:
        """Take up a saved state."""
        self.adam.load_state_dict(state["adam"])
        for name, value in state["momentum"].items():
            self.momentum[name].copy_(value)
