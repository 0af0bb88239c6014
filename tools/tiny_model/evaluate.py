"""How good the model is: loss and whole answers exactly right, and greedy generation.

An answer is exactly right under greedy decoding if, fed the right answer, the model's first choice
is right at every token; so one pass over prompt and answer is enough to count.
"""

from collections import defaultdict
from random import Random

import torch
import torch.nn.functional as F

from .harmony_text import Sample, answer_text, prompt_text
from .model import Model
from .rows import Packer
from .scenes import samples
from .tokenizer import Vocabulary

HELD_OUT = 987_654


def held_out(number: int, long: bool = False, seed: int = HELD_OUT) -> list[Sample]:
    """Samples of a seed that training does not use, one of each scene."""
    r = Random(seed)
    return [r.choice(samples(r, long)) for _ in range(number)]


@torch.no_grad()
def judge(
    model: Model, vocabulary: Vocabulary, chosen: list[Sample], quantised: bool
) -> list[tuple[Sample, float, bool]]:
    """Summed loss per token and exactness of every sample."""
    out = []
    for s in chosen:
        asked, said = vocabulary.encode_all([prompt_text(s), answer_text(s.answer)])
        packer = Packer(model.shape.window)
        ids = asked + said
        packer.add((ids, list(range(len(ids))), len(asked) - 1), None)
        batch = packer.batch()
        logits, _ = model(batch, quantised)
        loss = float(F.cross_entropy(logits, batch.labels))
        out.append((s, loss, bool((logits.argmax(-1) == batch.labels).all())))
    return out


def table(rows: list[tuple[str, bool]]) -> str:
    """Right answers by category."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for task, right in rows:
        counts[task][0] += right
        counts[task][1] += 1
        counts["all"][0] += right
        counts["all"][1] += 1
    return "  ".join(f"{k} {a}/{b}" for k, (a, b) in sorted(counts.items()))


def report(model: Model, vocabulary: Vocabulary, number: int, quantised: bool) -> str:
    """Loss and exactness on held-out samples, as one line."""
    rows = judge(model, vocabulary, held_out(number), quantised)
    loss = sum(loss for _, loss, _ in rows) / len(rows)
    return f"loss {loss:.4f}  {table([(s.task, ok) for s, _, ok in rows])}"


class Generator:
    """Greedy decoding with a key-value cache; the model's weights may be rounded already."""

    def __init__(self, model: Model, quantised: bool) -> None:
        self.model, self.quantised = model, quantised
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []
        self.length = 0

    @torch.no_grad()
    def feed(self, ids: list[int]) -> int:
        """Take tokens in; the most likely next one."""
        m = self.model
        positions = torch.arange(self.length, self.length + len(ids))
        x, rope = m.embedding[torch.tensor(ids)], m.rope(positions)
        self.length += len(ids)
        gap = positions[:, None] - torch.arange(self.length)[None]
        for i, layer in enumerate(m.layers):
            a, n = layer.attention, layer.norm(x, layer.attention_norm)
            k, v = a.keys_values(n, rope)
            if i == len(self.keys):
                self.keys.append(k)
                self.values.append(v)
            else:
                self.keys[i] = torch.cat((self.keys[i], k), 1)
                self.values[i] = torch.cat((self.values[i], v), 1)
            seen = (gap >= 0) & (gap < m.shape.window) if layer.near else gap >= 0
            mask = F.pad(torch.zeros(gap.shape).masked_fill(~seen, float("-inf")), (0, 1))
            x = x + a.project(a.attend(a.queries(n, rope), self.keys[i], self.values[i], mask))
            x = x + layer.experts(layer.norm(x, layer.experts_norm), self.quantised)[0]
        return int(m.logits(x[-1:]).argmax())

    def answer(self, prompt: list[int], stops: set[int], limit: int = 900) -> list[int]:
        """Continue a prompt up to and including a stop token."""
        out = [self.feed(prompt)]
        while out[-1] not in stops and len(out) < limit:
            out.append(self.feed(out[-1:]))
        return out
