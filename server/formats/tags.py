"""The tags that a model writes around its thoughts and its calls, as its chat template tells: how
one looks, never what to do about it.
"""

from dataclasses import dataclass
from typing import Any

import regex

_NAME = r'"name"\s*:\s*"(?P<name>(?:[^"\\]|\\.)*)"'
_JSON = (
    r'\s*\[?\s*\{\s*(?:"(?:type|id)"\s*:\s*"[^"\\]*"\s*,\s*)*'
    rf'{_NAME}\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{{)'
)
_BARE = r"(?P<name>[\w.\-]+)"
_MISTRAL = rf"{_JSON}|\s*{_BARE}(?:\[CALL_ID\][\w\-]*)?(?:\[ARGS\])?\s*(?=\{{)"
_DEEPSEEK = (
    rf"\s*<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?{_BARE}(?:<｜tool▁sep｜>)?"
    r"\s*(?:```json\s*)?(?=\{)"
)

# Other forms of calls stand between the same tags.
_HERMES = regex.compile(r'(?s)<tool_call>.{0,200}?\{\\?"name')


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """What opens and closes the model's thoughts."""

    open: str
    close: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForm:
    """`opener` begins calls, `head` is what then stands before the arguments, which are an object;
    without an opener the whole answer is a call. `before` and `after` a function's name are what is
    written where a call has to come. `tags` are what else of its markup the model writes.
    """

    opener: str
    head: Any
    before: str
    after: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """None: the model has no such thing, or none that is known here. `strays`: tags within text are
    left out, not part of it.
    """

    thinking: Thinking | None
    calls: CallForm | None
    strays: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """All that is markup in what the model writes."""
        thinking = (self.thinking.open, self.thinking.close) if self.thinking else ()
        calls = (self.calls.opener, *self.calls.tags) if self.calls else ()
        return tuple(name for name in (*thinking, *calls) if name)


THINKING = (
    Thinking(open="<think>", close="</think>"),
    Thinking(open="[THINK]", close="[/THINK]"),
    Thinking(open="<seed:think>", close="</seed:think>"),
    Thinking(open="<|START_THINKING|>", close="<|END_THINKING|>"),
    Thinking(open="<|channel>thought", close="<channel|>"),
)
HERMES = CallForm(
    opener="<tool_call>",
    head=regex.compile(_JSON),
    before='\n{"name": "',
    after='", "arguments": ',
    tags=("</tool_call>",),
)
MISTRAL_LIST = CallForm(
    opener="[TOOL_CALLS]",
    head=regex.compile(_MISTRAL),
    before='[{"name": "',
    after='", "arguments": ',
    tags=("[ARGS]", "[CALL_ID]"),
)
MISTRAL = CallForm(
    opener="[TOOL_CALLS]",
    head=regex.compile(_MISTRAL),
    before="",
    after="[ARGS]",
    tags=("[ARGS]", "[CALL_ID]"),
)
LLAMA = CallForm(
    opener="",
    head=regex.compile(rf"(?:<\|python_tag\|>)?{_JSON}"),
    before='{"name": "',
    after='", "parameters": ',
    tags=("<|python_tag|>",),
)
_DEEPSEEK_TAGS = (
    "<｜tool▁call▁begin｜>",
    "<｜tool▁sep｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁calls▁end｜>",
)
DEEPSEEK_FENCED = CallForm(
    opener="<｜tool▁calls▁begin｜>",
    head=regex.compile(_DEEPSEEK),
    before="<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
    after="\n```json\n",
    tags=_DEEPSEEK_TAGS,
)
DEEPSEEK = CallForm(
    opener="<｜tool▁calls▁begin｜>",
    head=regex.compile(_DEEPSEEK),
    before="<｜tool▁call▁begin｜>",
    after="<｜tool▁sep｜>",
    tags=_DEEPSEEK_TAGS,
)


def tags_of(source: str) -> Tags:
    """The tags that a template's text tells of."""
    return Tags(
        thinking=next((each for each in THINKING if each.close in source), None),
        calls=_calls(source) if "tools" in source else None,
    )


def _calls(source: str) -> CallForm | None:
    if "<tool_call>" in source and _HERMES.search(source):
        return HERMES
    if "[TOOL_CALLS]" in source:
        return MISTRAL if "[ARGS]" in source else MISTRAL_LIST
    if "<｜tool▁calls▁begin｜>" in source:
        return DEEPSEEK_FENCED if "```json" in source else DEEPSEEK
    if '"parameters"' in source and ("ipython" in source or "<|python_tag|>" in source):
        return LLAMA
    return None
