"""Samples as tensors: rows of one shared prefix and several branches, and the copy warm-up.

A row fills up to a wanted length; each branch continues the prefix as if it were alone. Positions
jump at random message starts in a quarter of the rows, so that distances seen in training cover
long prompts.
"""

from random import Random

import torch
from torch import Tensor

from .harmony_text import Sample, answer_text, history_text, prefix_text
from .model import Batch, Segment
from .scenes import samples
from .tokenizer import Vocabulary

Piece = tuple[list[int], list[int], int]  # ids, positions, first index the loss counts


class Packer:
    """Collects pieces into one batch."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.segments: list[Segment] = []
        self.queries: list[int] = []
        self.labels: list[int] = []

    def add(self, piece: Piece, prefix: tuple[int, int] | None) -> tuple[int, int]:
        """Lay down a piece that may look at an earlier one; returns where it lies."""
        ids, positions, counted = piece
        start, end = len(self.ids), len(self.ids) + len(ids)
        seen = prefix or (start, start)
        before = torch.tensor(self.positions[seen[0] : seen[1]], dtype=torch.long)
        own = torch.tensor(positions)
        self.ids += ids
        self.positions += positions
        near = min(self.window - 1, len(before))
        gap = own[:, None] - torch.cat((before, own))[None]
        tail = gap[:, len(before) - near :]
        full, close = gap >= 0, (tail >= 0) & (tail < self.window)
        first = start + counted
        self.segments.append(
            Segment(start, end, seen, near, additive(full), additive(close), first)
        )
        self.queries += range(first, end - 1)
        self.labels += ids[counted + 1 :]
        return start, end

    def batch(self) -> Batch:
        """The finished batch."""
        return Batch(
            torch.tensor(self.ids),
            torch.tensor(self.positions),
            self.segments,
            torch.tensor(self.queries, dtype=torch.long),
            torch.tensor(self.labels, dtype=torch.long),
        )


def additive(visible: Tensor) -> Tensor:
    """0 where visible, minus infinity elsewhere; one more column for the sink."""
    sink = torch.ones(len(visible), 1, dtype=torch.bool)
    whole = torch.cat((visible, sink), 1)
    return torch.zeros(whole.shape).masked_fill_(~whole, float("-inf"))


class RowMaker:
    """Draws rows for one process."""

    def __init__(self, vocabulary: Vocabulary, seed: int, window: int = 128) -> None:
        self.vocabulary, self.random, self.window = vocabulary, Random(seed), window
        self.start = vocabulary.ids["<|start|>"]

    def batch(self, tokens: int, long: float = 0.0, row: int = 640) -> Batch:
        """A batch of at least `tokens` tokens; a share `long` of the rows has long prompts."""
        packer = Packer(self.window)
        while len(packer.ids) < tokens:
            is_long = self.random.random() < long
            drawn = samples(self.random, is_long)
            self.row(packer, drawn, 1600 if is_long else row)
        return packer.batch()

    def row(self, packer: Packer, drawn: list[Sample], size: int) -> None:
        """One prefix and as many of the samples as fit (at least one)."""
        late = self.random.random() < 0.2
        gaps = self.random.random() < 0.25
        texts = [prefix_text(drawn[0].setting)]
        for s in drawn:
            texts += [history_text(s.messages, late), answer_text(s.answer)]
        encoded = self.vocabulary.encode_all(texts)
        head = encoded[0]
        place, at = self.positions(head, 0, gaps)
        prefix = packer.add((head, place, len(head) - 1), None)
        used = len(head)
        for asked, said in zip(encoded[1::2], encoded[2::2], strict=True):
            if used > len(head) and used + len(asked) + len(said) > size:
                break
            ids = asked + said
            own, _ = self.positions(ids, at, gaps)
            packer.add((ids, own, len(asked) - 1), prefix)
            used += len(ids)

    def positions(self, ids: list[int], at: int, gaps: bool) -> tuple[list[int], int]:
        """Consecutive positions, now and then with a jump before a message."""
        out = []
        for i in ids:
            if gaps and at and i == self.start and self.random.random() < 0.2:
                at += self.random.choice((20, 100, 300, 1000, 2500))
            out.append(at)
            at += 1
        return out, at

    def copies(self, tokens: int) -> Batch:
        """The copy warm-up: random ids after "Repeat: ", to be said again."""
        packer = Packer(self.window)
        opening, middle = self.vocabulary.encode_all(
            [
                "<|start|>user<|message|>Repeat: ",
                "<|end|><|start|>assistant<|channel|>final<|message|>",
            ]
        )
        stop = self.vocabulary.ids["<|return|>"]
        while len(packer.ids) < tokens:
            some = [
                self.random.randrange(len(self.vocabulary.tokens))
                for _ in range(self.random.randint(8, 40))
            ]
            ids = [*opening, *some, *middle, *some, stop]
            at = self.random.choice((0, 0, 100, 500))
            counted = len(opening) + len(some) + len(middle) - 1
            packer.add((ids, list(range(at, at + len(ids))), counted), None)
        return packer.batch()
