"""What a check found, a line each: what was looked at, how it is, and the way out where it is bad.

Knows no check.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

# A note is no failure: something that may be meant, and that one should know.
State: TypeAlias = Literal["ok", "note", "failed"]
SUBJECT_WIDTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line. `way_out` is what to do about it."""

    subject: str
    state: State
    words: str
    way_out: str = ""

    def __str__(self) -> str:
        return f"{self.state:7} {self.subject:{SUBJECT_WIDTH}} {self.sentence}"

    @property
    def sentence(self) -> str:
        return f"{self.words}; {self.way_out}" if self.way_out else self.words

    def as_object(self) -> dict[str, Any]:
        """For programs."""
        return {
            "subject": self.subject,
            "state": self.state,
            "words": self.words,
            "way_out": self.way_out,
        }


class Failure(Exception):
    """Ends a check at once; `verdict` says why."""

    def __init__(self, subject: str, words: str, way_out: str = "") -> None:
        self.verdict = failed(subject, words, way_out)
        super().__init__(self.verdict.sentence)


def ok(subject: str, words: str) -> Verdict:
    return Verdict(subject=subject, state="ok", words=words)


def note(subject: str, words: str, way_out: str = "") -> Verdict:
    return Verdict(subject=subject, state="note", words=words, way_out=way_out)


def failed(subject: str, words: str, way_out: str) -> Verdict:
    return Verdict(subject=subject, state="failed", words=words, way_out=way_out)


def good(verdicts: Iterable[Verdict]) -> bool:
    """Whether nothing failed."""
    return all(each.state != "failed" for each in verdicts)
