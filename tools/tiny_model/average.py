"""Average the weights of two phases of a run.

    python -m tools.tiny_model.average run run2 final

The mean of a checkpoint and its continuation answers better than either: each forgets something
the other keeps. Writes a folder that export, check and golden take as a run.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from .tokenizer import Vocabulary


def weights(run: Path) -> dict[str, Tensor]:
    """Weights of a checkpoint, without the optimiser's state."""
    loaded: dict[str, Tensor] = torch.load(run / "model.pt", map_location="cpu")["model"]
    return loaded


def main() -> None:
    """Average two runs of one vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    one, two = weights(args.first), weights(args.second)
    args.out.mkdir(parents=True, exist_ok=True)
    torch.save({"model": {k: (one[k] + two[k]) / 2 for k in one}}, args.out / "model.pt")
    Vocabulary.load(args.first / "vocabulary.txt").save(args.out / "vocabulary.txt")


if __name__ == "__main__":
    main()
