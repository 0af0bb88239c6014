"""What must hold of every stream of events, whoever makes it."""

from collections.abc import Iterable

from server.core.events import Event, Finished, PartDelta, PartEnded, PartStarted, Started


def check_events(events: Iterable[Event]) -> None:
    """Assert the grammar Started? (PartStarted PartDelta* PartEnded)* Finished?.

    A format's reader yields neither Started nor Finished, an engine both: see `check_answer`.
    """
    expected_index = 0
    part: PartStarted | None = None
    kinds: list[str] = []
    finished: Finished | None = None
    for position, event in enumerate(events):
        assert finished is None, f"{event} after Finished"
        match event:
            case Started():
                assert position == 0, "Started is not the first event"
                assert event.prompt_tokens >= 0
            case PartStarted():
                assert part is None, f"{event} while {part} is open"
                assert event.index == expected_index, "parts are counted from 0"
                is_call = event.kind == "tool_call"
                assert bool(event.call_id) == is_call, f"{event}: a call has an id, others none"
                assert bool(event.name) == is_call, f"{event}: a call has a name, others none"
                part = event
                expected_index += 1
                kinds.append(event.kind)
            case PartDelta():
                assert part is not None, f"{event} outside a part"
                assert event.text, "an empty delta"
                event.text.encode()  # No half characters.
                visible = part.kind in ("text", "preamble")
                assert visible or not event.logprobs, "log probabilities of hidden text"
            case PartEnded():
                assert part is not None, "PartEnded without a part"
                part = None
            case Finished():
                finished = event
            case _:
                raise AssertionError(f"{event!r} is no event")
    assert part is None, f"{part} was left open"
    if finished is not None:
        _check_end(finished, kinds)


def check_answer(events: Iterable[Event]) -> None:
    """Assert that this is a whole answer: the grammar, with Started and Finished."""
    seen = list(events)
    check_events(seen)
    assert isinstance(seen[0], Started)
    assert isinstance(seen[-1], Finished)
    assert seen[0].prompt_tokens in (0, seen[-1].usage.prompt_tokens)


def _check_end(finished: Finished, kinds: list[str]) -> None:
    called = "tool_call" in kinds
    if finished.reason == "tool_calls":
        assert called, "finished with tool_calls, but nothing was called"
    if finished.reason == "stop":
        assert not called, "something was called, but finished with stop"
    usage = finished.usage
    assert 0 <= usage.cached_tokens <= usage.prompt_tokens
    assert 0 <= usage.reasoning_tokens <= usage.completion_tokens
