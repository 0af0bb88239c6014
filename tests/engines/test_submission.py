"""What of a request goes to the worker."""

from dataclasses import replace

import pytest

from server.core.errors import ServerError
from server.core.messages import AssistantMessage, Conversation, UserMessage
from server.core.request import GenerationRequest, Sampling
from server.engines.submission import Submissions
from tests.engines.models import limits
from tests.engines.scripted_session import CARD, text_format

ASKED = GenerationRequest(id="test", prompt=Conversation(messages=(UserMessage(text="Hi"),)))


@pytest.mark.parametrize(
    ("allowed", "seed", "expected"),
    [(True, None, True), (True, 7, False), (False, None, False), (True, 0, False)],
)
def test_nothing_is_guessed_for_those_who_want_the_same_again(
    allowed: bool, seed: int | None, expected: bool
) -> None:
    request = replace(ASKED, sampling=Sampling(seed=seed))
    made = Submissions(CARD, text_format(), request, limits(speculate=allowed))
    assert made.first(1).speculate is expected


def test_a_conversation_that_is_too_long_is_shortened_where_that_is_wished() -> None:
    long = (UserMessage(text="a " * 500), AssistantMessage(text="b")) * (CARD.context_length // 100)
    request = replace(ASKED, prompt=Conversation(messages=(*long, UserMessage(text="Hi"))))
    with pytest.raises(ServerError, match="prompt is too long"):
        Submissions(CARD, text_format(), request, limits())
    made = Submissions(CARD, text_format(), replace(request, truncate=True), limits())
    assert 0 < made.left_out < len(long)
    assert made.prompt_tokens == len(made.first(1).prompt) < CARD.context_length
    # There is room for the answer that it gets by default.
    assert made.allowance.visible == 256
