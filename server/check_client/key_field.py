"""Reads a key as people paste it, and shows it without giving it away."""

import unicodedata

from server.check_client.address import AROUND

# As much of a key is shown as tells it from one's others; of a short one nothing.
SHOWN = 4
LONG_ENOUGH = 16
PREFIXES = ("authorization:", "bearer ")


def read_key(text: str) -> tuple[str, list[str]]:
    """The key, and what was wrong with the text, in words. Errors: ValueError with one sentence
    that does not repeat it.
    """
    key, remarks = text.strip(AROUND), []
    if key != text:
        around = {character for character in text if character in AROUND and character not in key}
        quotes = any(not (each.isspace() or _invisible(each)) for each in around)
        remarks.append(f"{'quotes' if quotes else 'spaces'} around it")
    for prefix in PREFIXES:
        if key.lower().startswith(prefix):
            key = key[len(prefix) :].strip(AROUND)
            remarks.append(f'"{prefix.strip()}" before it, which the client writes itself')
    for place, character in enumerate(key, start=1):
        if not "!" <= character <= "~":
            raise ValueError(
                f"character {place} of the key is {_name(character)}, which no key has;"
                " copy the key again instead of typing it"
            )
    return key, remarks


def mask(key: str) -> str:
    """How a key is shown."""
    if not key:
        return "(none)"
    if len(key) < LONG_ENOUGH:
        return f"(a key of {len(key)} characters)"
    begin = "sk-" if key.startswith("sk-") else ""
    return f"{begin}...{key[-SHOWN:]}"


def hidden(text: str, key: str) -> str:
    """`text` with the key masked: some servers repeat it."""
    return text.replace(key, mask(key)) if key else text


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc", "Zs")


def _name(character: str) -> str:
    return unicodedata.name(character, f"U+{ord(character):04X}")
