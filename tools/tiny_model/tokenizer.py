"""The small byte-level BPE vocabulary: learnt here, used by the trainer, written into the GGUF.

Merges are learnt with a pattern that never joins a space or a quote to a word, so that a word has
the same ids wherever it stands and can be copied. Text is then split with o200k's own pattern
(GGUF pre type gpt-4o). Like the real vocabulary, a token's id is its rank and every way to build
a token is a merge, so tiktoken, tokenizers and llama.cpp agree.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from .harmony_text import SPECIALS

BASE = 2048
RESERVED = 21
LEARN = r"\p{L}+|\p{N}{1,3}|\s+|[^\s\p{L}\p{N}]+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{SHORT}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{SHORT}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def splitter(pattern: str) -> pre_tokenizers.PreTokenizer:
    """Split by a pattern, then spell bytes as characters."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


class Vocabulary:
    """Tokens in rank order, the merges they imply, and encoding."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.specials = [SPECIALS.get(i, f"<|reserved_{i}|>") for i in range(RESERVED)]
        self.ids = {t: i for i, t in enumerate([*tokens, *self.specials])}
        self.size = len(self.ids)
        self.merges = implied_merges(tokens)

    @classmethod
    def learn(cls, texts: Iterable[str]) -> "Vocabulary":
        """Learn `BASE` tokens from texts without special tokens."""
        tok = Tokenizer(models.BPE())
        tok.pre_tokenizer = splitter(LEARN)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=BASE, initial_alphabet=alphabet, show_progress=False
        )
        tok.train_from_iterator(texts, trainer)
        by_id = sorted(tok.get_vocab().items(), key=lambda item: item[1])
        return cls([t for t, _ in by_id])

    @classmethod
    def load(cls, path: Path) -> "Vocabulary":
        """Read the tokens saved by `save`."""
        return cls(path.read_text("utf-8").split("\n"))

    def save(self, path: Path) -> None:
        """One token a line, in rank order."""
        path.write_text("\n".join(self.tokens), "utf-8")

    @cached_property
    def encoder(self) -> Tokenizer:
        """The tokenizer, special tokens recognised in the text."""
        vocab = {t: i for i, t in enumerate(self.tokens)}
        tok = Tokenizer(models.BPE(vocab=vocab, merges=self.merges))
        tok.pre_tokenizer = splitter(O200K)
        tok.add_special_tokens(self.specials)
        return tok

    def encode(self, text: str) -> list[int]:
        """Ids of a harmony text."""
        return self.encoder.encode(text, add_special_tokens=False).ids

    def encode_all(self, texts: list[str]) -> list[list[int]]:
        """Ids of several texts."""
        return [e.ids for e in self.encoder.encode_batch(texts, add_special_tokens=False)]

    @cached_property
    def bytes_of(self) -> list[bytes]:
        """The bytes of every token; special tokens are spelt out."""
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        back = {chr(b): b for b in printable}
        rest = [b for b in range(256) if b not in printable]
        back |= {chr(256 + i): b for i, b in enumerate(rest)}
        plain = [bytes(back[c] for c in t) for t in self.tokens]
        return plain + [s.encode() for s in self.specials]

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids, special tokens included."""
        return b"".join(self.bytes_of[i] for i in ids).decode("utf-8", "replace")


def implied_merges(tokens: list[str]) -> list[tuple[str, str]]:
    """Every split of every token into two tokens, in rank order."""
    rank = {t: i for i, t in enumerate(tokens)}
    merges = []
    for token in tokens:
        cuts = [(token[:k], token[k:]) for k in range(1, len(token))]
        known = [(a, b) for a, b in cuts if a in rank and b in rank]
        merges += sorted(known, key=lambda pair: (rank[pair[0]], rank[pair[1]]))
    return merges
