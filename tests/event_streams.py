"""Every sequence of events that the grammar allows, as a hypothesis strategy."""

from hypothesis import strategies as st

from server.core.events import (
    Event,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    Timings,
    TokenLogprob,
    Usage,
)

KINDS = ("reasoning", "preamble", "text", "tool_call")
VISIBLE = ("preamble", "text")

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
logprobs = st.lists(
    st.builds(
        TokenLogprob,
        token=st.binary(min_size=1, max_size=3),
        logprob=st.floats(-30, 0),
        top=st.lists(st.tuples(st.binary(max_size=3), st.floats(-30, 0)), max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """One whole answer, from Started to Finished."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=5))
    prompt = draw(st.integers(0, 50))
    events: list[Event] = [Started(prompt_tokens=prompt)]
    for index, kind in enumerate(kinds):
        called = kind == "tool_call"
        events.append(
            PartStarted(
                index=index,
                kind=kind,
                call_id=f"call_{index}" if called else "",
                name=draw(st.sampled_from(["f", "get.weather"])) if called else "",
            )
        )
        for text in draw(st.lists(texts, max_size=3)):
            told = draw(logprobs) if kind in VISIBLE else ()
            events.append(PartDelta(text=text, logprobs=told))
        events.append(PartEnded())
    ends = ["length", "tool_calls" if "tool_call" in kinds else "stop"]
    completion = draw(st.integers(0, 50))
    usage = Usage(
        prompt_tokens=prompt,
        cached_tokens=draw(st.integers(0, prompt)),
        completion_tokens=completion,
        reasoning_tokens=draw(st.integers(0, completion)),
    )
    finished = Finished(
        reason=draw(st.sampled_from(ends)),
        usage=usage,
        timings=Timings(generation_s=draw(st.floats(0, 9))),
        warning=draw(st.sampled_from([None, "mended"])),
    )
    return [*events, finished]
