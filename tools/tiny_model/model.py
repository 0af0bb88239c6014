"""The gpt-oss architecture in PyTorch, small enough to train on two CPU cores.

The arithmetic follows llama.cpp (YaRN, sliding window, sinks, SwiGLU-OAI, softmax over the chosen
experts). Knows tensors only: nothing about text, tokens' meaning or files.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FP4_GRID = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
FP4_EDGES = (FP4_GRID[1:] + FP4_GRID[:-1]) / 2


@dataclass(frozen=True)
class Shape:
    """Hyper-parameters; the names and roles are those of the real gpt-oss."""

    vocab: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    head: int = 32
    experts: int = 8
    active: int = 2
    ff: int = 128
    window: int = 128
    eps: float = 1e-5
    rope_base: float = 150_000.0
    rope_factor: float = 32.0
    rope_original: int = 4096


@dataclass
class Segment:
    """A run of tokens that attends to itself and to an optional shared prefix.

    `full` and `near` are additive masks over (queries, prefix + own + sink) for the two kinds of
    layer; `near` sees only the last `near_prefix` tokens of the prefix. `first_query` is the first
    row that the loss needs, so that the last layer can leave the others out.
    """

    start: int
    end: int
    prefix: tuple[int, int]
    near_prefix: int
    full: Tensor
    near: Tensor
    first_query: int


@dataclass
class Batch:
    """Several rows laid end to end: ids and positions (N), segments, what is to be predicted."""

    ids: Tensor
    positions: Tensor
    segments: list[Segment]
    queries: Tensor
    labels: Tensor


def fake_mxfp4(w: Tensor) -> Tensor:
    """Round to MXFP4 in blocks of 32 along the last axis; the gradient passes straight through."""
    blocks = w.detach().reshape(*w.shape[:-1], -1, 32)
    peak = blocks.abs().amax(-1, keepdim=True).clamp_min(1e-30)
    scale = torch.exp2(torch.floor(torch.log2(peak)) - 2)
    index = torch.bucketize(blocks.abs() / scale, FP4_EDGES)
    rounded = FP4_GRID[index] * scale * blocks.sign()
    return w + (rounded.reshape(w.shape) - w.detach())


def rope_frequencies(shape: Shape) -> tuple[Tensor, float]:
    """YaRN angles per position of the head//2 pairs, and the factor on cos and sin, as in ggml."""
    half = shape.head // 2
    plain = shape.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)

    def dimension(rotations: float) -> float:
        ratio = shape.rope_original / (rotations * 2 * math.pi)
        return shape.head * math.log(ratio) / (2 * math.log(shape.rope_base))

    low, high = max(0, math.floor(dimension(32))), min(shape.head - 1, math.ceil(dimension(1)))
    ramp = ((torch.arange(half) - low) / max(0.001, high - low)).clamp(0, 1)
    mixed = plain * (1 - ramp) + plain / shape.rope_factor * ramp
    return mixed, 1 + 0.1 * math.log(shape.rope_factor)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """NEOX rotation of (N, heads, head) by (N, 1, head/2) tables."""
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Experts(nn.Module):
    """Router and experts of one layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        s, n, d, f = shape, shape.experts, shape.width, shape.ff
        self.shape = s
        self.router = nn.Parameter(torch.randn(n, d) * 0.02)
        self.router_bias = nn.Parameter(torch.zeros(n))
        self.gate = nn.Parameter(torch.randn(n, f, d) / math.sqrt(d))
        self.up = nn.Parameter(torch.randn(n, f, d) / math.sqrt(d))
        self.down = nn.Parameter(torch.randn(n, d, f) / math.sqrt(f) * 0.3)
        self.gate_bias = nn.Parameter(torch.zeros(n, f))
        self.up_bias = nn.Parameter(torch.zeros(n, f))
        self.down_bias = nn.Parameter(torch.zeros(n, d))

    def forward(self, x: Tensor, quantised: bool) -> tuple[Tensor, Tensor]:
        """Return the mixture's output and the load-balance loss."""
        s = self.shape
        logits = x @ self.router.T + self.router_bias
        top, chosen = logits.topk(s.active, -1)
        weight = top.softmax(-1)
        flat = chosen.reshape(-1)
        order = flat.argsort(stable=True)
        counts = torch.bincount(flat, minlength=s.experts)
        y = self._apply(x[order // s.active], counts.tolist(), quantised)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order))
        mixed = (y[inverse].view(*chosen.shape, -1) * weight[..., None]).sum(1)
        share = counts / len(flat)
        return mixed, s.experts * (share * logits.softmax(-1).mean(0)).sum()

    def _apply(self, x: Tensor, counts: list[int], quantised: bool) -> Tensor:
        rounding = fake_mxfp4 if quantised else (lambda w: w)
        inward = torch.cat((rounding(self.gate), rounding(self.up)), 1)
        inward_bias = torch.cat((self.gate_bias, self.up_bias), 1)
        outward = rounding(self.down)
        out = []
        for e, part in enumerate(x.split(counts)):
            g, u = F.linear(part, inward[e], inward_bias[e]).chunk(2, -1)
            g, u = g.clamp(max=7.0), u.clamp(-7.0, 7.0)
            out.append(F.linear((u + 1) * g * torch.sigmoid(1.702 * g), outward[e]))
            out[-1] = out[-1] + self.down_bias[e]
        return torch.cat(out)


class Attention(nn.Module):
    """Grouped-query attention with learned sinks."""

    PAD = 8  # extra head columns: one carries the sink, the rest keep rows aligned

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        s, d = shape, shape.width
        self.shape = s
        self.q = nn.Parameter(torch.randn(s.heads * s.head, d) * 0.02)
        self.k = nn.Parameter(torch.randn(s.kv_heads * s.head, d) * 0.02)
        self.v = nn.Parameter(torch.randn(s.kv_heads * s.head, d) / math.sqrt(d))
        self.o = nn.Parameter(torch.randn(d, s.heads * s.head) / math.sqrt(d) * 0.3)
        self.q_bias = nn.Parameter(torch.zeros(s.heads * s.head))
        self.k_bias = nn.Parameter(torch.zeros(s.kv_heads * s.head))
        self.v_bias = nn.Parameter(torch.zeros(s.kv_heads * s.head))
        self.o_bias = nn.Parameter(torch.zeros(d))
        self.sinks = nn.Parameter(torch.zeros(s.heads))

    def queries(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
        """(N, width) -> (heads, N, head + PAD); the first extra column meets the sink key."""
        s = self.shape
        q = rotate(F.linear(x, self.q, self.q_bias).view(-1, s.heads, s.head), *rope)
        extra = q.new_zeros(len(x), s.heads, self.PAD)
        extra[..., 0] = math.sqrt(s.head)
        return torch.cat((q, extra), -1).transpose(0, 1)

    def keys_values(self, x: Tensor, rope: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """(N, width) -> two of (heads, N, head + PAD), each kv head repeated for its queries."""
        s = self.shape
        k = rotate(F.linear(x, self.k, self.k_bias).view(-1, s.kv_heads, s.head), *rope)
        v = F.linear(x, self.v, self.v_bias).view(-1, s.kv_heads, s.head)
        both = F.pad(torch.stack((k, v)), (0, self.PAD)).transpose(1, 2)
        both = both.repeat_interleave(s.heads // s.kv_heads, 1)
        return both[0], both[1]

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """Attention of one segment, output projection left out: (queries, heads * head)."""
        s = self.shape
        sink = F.pad(self.sinks.view(-1, 1, 1), (s.head, self.PAD - 1))
        k, v = torch.cat((k, sink), 1), F.pad(v, (0, 0, 0, 1))
        scale = 1 / math.sqrt(s.head)
        y = F.scaled_dot_product_attention(q[None], k[None], v[None], mask, scale=scale)[0]
        return y[..., : s.head].transpose(0, 1).reshape(-1, s.heads * s.head)

    def project(self, y: Tensor) -> Tensor:
        """Output projection."""
        return F.linear(y, self.o, self.o_bias)


class Layer(nn.Module):
    """One block; even ones see a window of 128 tokens, odd ones everything."""

    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        self.shape, self.near = shape, index % 2 == 0
        self.attention_norm = nn.Parameter(torch.ones(shape.width))
        self.experts_norm = nn.Parameter(torch.ones(shape.width))
        self.attention = Attention(shape)
        self.experts = Experts(shape)

    def norm(self, x: Tensor, weight: Tensor) -> Tensor:
        """RMS norm with this model's epsilon."""
        return F.rms_norm(x, (self.shape.width,), weight, self.shape.eps)

    def attended(self, x: Tensor, rope: tuple[Tensor, Tensor], batch: Batch, last: bool) -> Tensor:
        """Residual stream after attention; only the queried rows when this is the last layer."""
        a, n = self.attention, self.norm(x, self.attention_norm)
        k, v = a.keys_values(n, rope)
        q = a.queries(n, rope)
        out = []
        for seg in batch.segments:
            first = seg.first_query if last else seg.start
            end = seg.end - 1 if last else seg.end
            if first >= end:
                continue
            low = seg.prefix[1] - seg.near_prefix if self.near else seg.prefix[0]
            parts = [slice(low, seg.prefix[1]), slice(seg.start, seg.end)]
            mask = (seg.near if self.near else seg.full)[first - seg.start : end - seg.start]
            keys = torch.cat([k[:, p] for p in parts], 1)
            values = torch.cat([v[:, p] for p in parts], 1)
            out.append(a.attend(q[:, first:end], keys, values, mask))
        base = x[batch.queries] if last else x
        return base + a.project(torch.cat(out))


class Model(nn.Module):
    """Embedding, layers, output."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocab, shape.width))
        self.layers = nn.ModuleList(Layer(shape, i) for i in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        self.output = nn.Parameter(torch.randn(shape.vocab, shape.width) * 0.02)
        angles, self.rope_scale = rope_frequencies(shape)
        self.register_buffer("angles", angles, persistent=False)

    def rope(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin tables (N, 1, head/2), YaRN's factor included."""
        angle = (positions[:, None, None].double() * self.angles).float()
        return angle.cos() * self.rope_scale, angle.sin() * self.rope_scale

    def logits(self, x: Tensor) -> Tensor:
        """Final norm and output projection."""
        normed = F.rms_norm(x, (self.shape.width,), self.norm, self.shape.eps)
        return normed @ self.output.T

    def forward(self, batch: Batch, quantised: bool = False) -> tuple[Tensor, Tensor]:
        """Logits at `batch.queries`, and the mean load-balance loss."""
        x, rope, balance = self.embedding[batch.ids], self.rope(batch.positions), []
        for i, layer in enumerate(self.layers):
            x = layer.attended(x, rope, batch, last=i == len(self.layers) - 1)
            mixed, load = layer.experts(layer.norm(x, layer.experts_norm), quantised)
            x = x + mixed
            balance.append(load)
        return self.logits(x), torch.stack(balance).mean()
