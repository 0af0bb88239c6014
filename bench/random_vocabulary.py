"""The made-up vocabulary of random models: gpt-oss's size and special tokens, the order in which a
model recites it, and a chat template for servers that need one in the file.

Knows nothing of weights.
"""

import random
import re
from itertools import islice, pairwise, product

N_VOCAB = 201_088
N_WORDS = 199_998
BOS, EOS, PAD = 199998, 200002, 199999
MESSAGE = 200008
SPECIALS = {
    BOS: "<|startoftext|>",
    PAD: "<|endoftext|>",
    EOS: "<|return|>",
    200003: "<|constrain|>",
    200005: "<|channel|>",
    200006: "<|start|>",
    200007: "<|end|>",
    MESSAGE: "<|message|>",
    200012: "<|call|>",
    200018: "<|endofprompt|>",
}
NORMAL, CONTROL, UNUSED = 1, 3, 5
SPACE = "\u0120"  # how byte-level BPE writes a blank
USUAL = b" etaoinshrdlcumwfgypbvkjxqz"
ANSWERING = "assistant"  # the last text of every prompt

# What this server renders for the same chat, token for token: both then compute equal prompts.
CHAT_TEMPLATE = """\
{{- '<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\\n' -}}
{{- 'Knowledge cutoff: 2024-06\\nCurrent date: 2026-01-01\\n\\nReasoning: medium\\n\\n' -}}
{{- '# Valid channels: analysis, commentary, final. ' -}}
{{- 'Channel must be included for every message.<|end|>' -}}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{{- '<|start|>developer<|message|># Instructions\\n\\n' + message.content + '<|end|>' -}}
{%- else -%}
{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start|>assistant' -}}{%- endif -%}
"""


def vocabulary() -> tuple[list[str], list[int], list[str]]:
    """Tokens, their types and the merges: bytes, all pairs of bytes, then triples."""
    alphabet = byte_alphabet()
    # A blank and the commonest letters first, so that ordinary words take few tokens.
    usual = [*USUAL, *(byte for byte in range(256) if byte not in USUAL)]
    pairs = [(alphabet[a], alphabet[b]) for a, b in product(usual, repeat=2)]
    count = N_WORDS - 256 - len(pairs)
    triples = [
        "".join(alphabet[byte] for byte in t) for t in islice(product(usual, repeat=3), count)
    ]
    tokens = [*alphabet, *(left + right for left, right in pairs), *triples]
    types = [NORMAL] * len(tokens)
    for token in range(N_WORDS, N_VOCAB):
        named = token <= max(SPECIALS)
        tokens.append(SPECIALS.get(token, f"<|reserved_{token}|>" if named else f"[PAD{token}]"))
        types.append(CONTROL if named else UNUSED)
    merges = [f"{left} {right}" for left, right in pairs]
    for triple in triples:
        # Both ways to come to it: tokenisers that merge by rank and by rule then agree.
        merges += [f"{triple[:2]} {triple[2]}", f"{triple[0]} {triple[1:]}"]
    return tokens, types, merges


def byte_alphabet() -> list[str]:
    """The printable stand-in for each byte that byte-level BPE vocabularies are written in."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    stand_ins = (chr(256 + n) for n in range(256))
    return [chr(byte) if byte in printable else next(stand_ins) for byte in range(256)]


def pieces(word: str, ranks: dict[str, int]) -> list[str]:
    """An ASCII word without blanks as tokens."""
    parts = list(word)
    while True:
        known = [(ranks[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ranks]
        if not known:
            return parts
        _, at = min(known)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


def recital(tokens: list[str], seed: int) -> list[int]:
    """Every id once, in the order in which the model says them, whatever it was asked: from the end
    of a prompt to the body of a message, then words, and thousands of tokens later all the rest.

    So a stream is text from first to last, ends at its limit and never repeats itself.
    """
    ranks = {token: i for i, token in enumerate(tokens)}
    opening = [ranks[pieces(ANSWERING, ranks)[-1]], MESSAGE]
    rng = random.Random(seed)
    said = set(opening)
    order = list(opening)
    for pattern in (f"{SPACE}[a-z]{{1,2}}", "[a-z]{1,3}", ".*"):
        group = [
            i for i, token in enumerate(tokens) if i not in said and re.fullmatch(pattern, token)
        ]
        rng.shuffle(group)
        order += group
        said.update(group)
    return order
