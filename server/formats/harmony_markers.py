"""The control tokens of harmony, looked up by their text: each model file has ids of its own."""

from dataclasses import dataclass, fields

from server.formats.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Markers:
    """Token ids. A message is start, header, message, content, end; `return_`, `call` and
    `endoftext` end an answer.
    """

    start: int
    message: int
    channel: int
    constrain: int
    end: int
    return_: int
    call: int
    endoftext: int

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> "Markers":
        """The markers of a vocabulary. Errors: ValueError naming all that it lacks."""
        found: dict[str, int] = {}
        missing: list[str] = []
        for field in fields(cls):
            text = f"<|{field.name.rstrip('_')}|>"
            try:
                found[field.name] = vocabulary.special(text)
            except ValueError:
                missing.append(text)
        if missing:
            raise ValueError(
                f"The model's vocabulary lacks the harmony tokens {', '.join(missing)}; "
                "it is not a gpt-oss model, choose a gpt-oss GGUF."
            )
        return cls(**found)

    @property
    def stops(self) -> tuple[int, ...]:
        """What ends an answer. `end` does not: it only ends a message."""
        return (self.return_, self.call, self.endoftext)
