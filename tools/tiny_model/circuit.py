"""The start that can already copy: previous-token heads feeding induction heads.

From a random start this model sits for most of the time it has on a plateau where it cannot copy
a word from the question. Here layer 0 starts with heads that look one and two tokens back, layer 1
with heads that find where the current token (or pair) stood before, and the output reads what
stood after it. Knows the model's tensors only.
"""

import torch
from torch import Tensor

from .model import Attention, Model

FAST = 5  # RoPE pairs that turn fast enough to tell neighbours apart
AMPLITUDE = 5.0
GAIN = 2.5


def bases(width: int, head: int) -> tuple[Tensor, ...]:
    """Orthonormal frames: where tokens live, and where layer 0 writes the two tokens before."""
    frame = torch.linalg.qr(torch.randn(width, width))[0].T
    before1, before2, tokens = frame[:head], frame[head : 2 * head], frame[2 * head :]
    turned = torch.linalg.qr(torch.randn(len(tokens), len(tokens)))[0].T @ tokens
    return before1, before2, tokens, turned[:head]


def look_back(a: Attention, angles: Tensor, read: Tensor, write: Tensor, which: int) -> None:
    """Make the first query head of kv head `which` attend `which + 1` tokens back."""
    s = a.shape
    group, half = s.heads // s.kv_heads, s.head // 2
    query, key = which * group * s.head, which * s.head
    turn = -angles[:FAST].float() * (which + 1)
    a.k_bias[key : key + FAST] = AMPLITUDE
    a.q_bias[query : query + FAST] = AMPLITUDE * turn.cos()
    a.q_bias[query + half : query + half + FAST] = AMPLITUDE * turn.sin()
    a.v[key : key + s.head] = read
    a.o[:, query : query + s.head] = write.T * 0.5


def slow_rows(head: int) -> Tensor:
    """Head columns on slow RoPE pairs, where a match does not depend on the distance."""
    half = head // 2
    slow = torch.arange(FAST, half)
    return torch.cat((slow, slow + half))


def find_earlier(a: Attention, frames: tuple[Tensor, ...], mix: Tensor) -> None:
    """kv head 0 matches the current token, kv head 1 the current pair; both fetch what followed."""
    before1, before2, tokens, read = frames
    s, rows = a.shape, slow_rows(a.shape.head)
    group, n = s.heads // s.kv_heads, len(rows)
    pair_key = torch.cat((before1[: n // 2], before2[: n - n // 2]))
    pair_query = torch.cat((read[: n // 2], before1[: n - n // 2]))
    for kv, (key, query) in enumerate(((before1[:n], read[:n]), (pair_key, pair_query))):
        a.k[kv * s.head + rows] = key * GAIN
        fetched = tokens[kv * s.head : (kv + 1) * s.head]
        a.v[kv * s.head : (kv + 1) * s.head] = fetched
        for head in range(kv * group, (kv + 1) * group):
            a.q[head * s.head + rows] = query * GAIN
            a.o[:, head * s.head : (head + 1) * s.head] = mix @ fetched.T * 0.5


@torch.no_grad()
def install(model: Model) -> None:
    """Write the circuit into a freshly initialised model."""
    s = model.shape
    frames = bases(s.width, s.head)
    before1, before2, tokens, read = frames
    model.embedding.copy_(torch.randn(s.vocab, len(tokens)) @ tokens)
    model.embedding.add_(torch.randn_like(model.embedding) * 0.1)
    mix = torch.linalg.qr(torch.randn(s.width, s.width))[0]
    model.output.copy_(0.25 * model.embedding @ mix.T)
    first, second = model.layers[0].attention, model.layers[1].attention
    for which, write in enumerate((before1, before2)):
        look_back(first, model.angles, read, write, which)
    find_earlier(second, frames, mix)
