"""What a schema says of strings: formats as patterns, and patterns of ECMAScript, which JSON Schema
means, as those of Rust, which are matched. Knows no schemas.
"""

import re

YEAR = r"(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
FOURTH = r"(?:0[48]|[2468][048]|[13579][26])"
LEAP_YEAR = rf"(?:[0-9]{{2}}{FOURTH}|{FOURTH}00)"
MONTH_AND_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
DATE = rf"(?:{YEAR}-{MONTH_AND_DAY}|{LEAP_YEAR}-02-29)"
HOUR_AND_MINUTE = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
TIME = rf"{HOUR_AND_MINUTE}:[0-5][0-9](?:\.[0-9]{{1,6}})?(?:Z|[+-]{HOUR_AND_MINUTE})"
COUNT = r"[0-9]{1,9}"
DATE_SPAN = rf"(?:{COUNT}Y(?:{COUNT}M(?:{COUNT}D)?)?|{COUNT}M(?:{COUNT}D)?|{COUNT}D)"
TIME_SPAN = rf"T(?:{COUNT}H(?:{COUNT}M(?:{COUNT}S)?)?|{COUNT}M(?:{COUNT}S)?|{COUNT}S)"
DURATION = rf"P(?:{DATE_SPAN}(?:{TIME_SPAN})?|{TIME_SPAN}|{COUNT}W)"
LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
ATOM = r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+"
HEX = "[0-9a-fA-F]"
BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
UUID = rf"{HEX}{{8}}-{HEX}{{4}}-%s{HEX}{{3}}-%s{HEX}{{3}}-{HEX}{{12}}"

# Stricter than the matcher's own: every date is in the calendar, no second is the 60th, numbers
# come to an end.
PATTERNS = {
    "date": DATE,
    "time": TIME,
    "date-time": f"{DATE}T{TIME}",
    "duration": DURATION,
    "email": rf"{ATOM}(?:\.{ATOM})*@{LABEL}(?:\.{LABEL})+",
    "uuid": UUID % (HEX, HEX),
    "byte": BASE64,
    "base64": BASE64,
} | {f"uuid{version}": UUID % (version, "[89abAB]") for version in range(1, 9)}
# What the matcher knows as well as we do.
NATIVE = ("ipv4", "ipv6", "uri", "hostname")
LONGEST = {"hostname": 253}
# Formats that any text has.
TEXT = ("password", "binary", "path", "file-path", "directory-path", "multiline", "textarea")

MAX_PATTERN = 2000
# An escaped character, a whole set, or any other character.
PART = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
LOOKAHEAD = re.compile(r"\(\?[=!]")
# [^-+.]* to the end: the text has no character but those; its opposite is that it has another.
WHOLE_SET = re.compile(r"\^?\[((?!\^)(?:\\.|[^\]\\])+)\]\*\$")
# Rust reads these in a set as sets in one another; ECMAScript as what they are.
SET_SYNTAX = re.compile(r"\\.|\[|&&|~~|--", re.DOTALL)
AS_IT_IS = {"[": r"\[", "&&": r"\&\&", "~~": r"\~\~", "--": r"-\-"}
# Anchors of Rust's, plain characters of ECMAScript's.
UNESCAPED = {r"\<": "<", r"\>": ">", r"\/": "/"}


class PatternError(ValueError):
    """The pattern cannot be held; the text goes on "The pattern ..."."""


def patterns_of(pattern: str) -> list[str]:
    """Patterns in Rust's notation that together say what this one of ECMAScript's says. Errors:
    PatternError; other faults are left to the matcher to find.
    """
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"is longer than {MAX_PATTERN} characters")
    demands: list[str] = []
    rest = pattern
    # A lookahead at the very beginning is a demand on the whole text.
    while rest.startswith("^") and LOOKAHEAD.match(rest, 1):
        end = _end_of_group(rest, 1)
        demands.append(_demand(rest[4 : end - 1], is_wanted=rest[3] == "="))
        rest = "^" + rest[end:]
    return [_in_rust(rest), *map(_in_rust, demands)]


def _demand(inner: str, is_wanted: bool) -> str:
    if is_wanted:
        return f"^(?:{inner})"
    found = WHOLE_SET.fullmatch(inner)
    if found is None:
        raise PatternError("has a negative lookahead")
    return f"[^{found[1]}]"


def _end_of_group(pattern: str, start: int) -> int:
    """The place after the group that opens at `start`."""
    depth = 0
    for part in PART.finditer(pattern, start):
        depth += {"(": 1, ")": -1}.get(part[0], 0)
        if depth == 0:
            return part.end()
    raise PatternError("has a group that is not closed")


def _in_rust(pattern: str) -> str:
    return PART.sub(lambda part: _part_in_rust(part[0]), pattern)


def _part_in_rust(part: str) -> str:
    if part == "[^]":
        return "(?s:.)"
    if part == "[]":
        raise PatternError("has an empty set")
    if not part.startswith("[") or part == "[":
        return UNESCAPED.get(part, part)
    inner = SET_SYNTAX.sub(lambda found: _as_it_is(found[0]), part[1:-1])
    return f"[{inner}]"


def _as_it_is(text: str) -> str:
    return UNESCAPED.get(text, AS_IT_IS.get(text, text))
