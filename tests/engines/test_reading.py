"""How a request ends that the worker could not go on with."""

import pytest

from server.core.errors import ServerError
from server.core.events import Started
from server.core.messages import Conversation, UserMessage
from server.core.request import GenerationRequest, GrammarOutput
from server.engines.reading import Reading
from server.worker.messages import Accepted, Ended, EndReason
from tests.engines.scripted_session import text_format
from tests.formats.vocabularies import tiny_vocabulary

MESSAGE = "The grammar is too complex."


@pytest.mark.parametrize(
    ("reason", "kind", "param"),
    [("invalid", "invalid", "grammar"), ("failed", "engine_failed", None)],
)
def test_what_the_worker_could_not_do_is_told(
    reason: EndReason, kind: str, param: str | None
) -> None:
    request = GenerationRequest(
        id="test",
        prompt=Conversation(messages=(UserMessage(text="Hi"),)),
        output=GrammarOutput(text='root ::= "a"'),
    )
    reading = Reading(request, text_format().reader(request), tiny_vocabulary(), 5, 10)
    events = reading.read([Accepted(id=1), Ended(id=1, reason=reason, message=MESSAGE)])
    assert next(events) == Started(prompt_tokens=5)
    with pytest.raises(ServerError, match=MESSAGE) as caught:
        next(events)
    assert (caught.value.kind, caught.value.param) == (kind, param)
