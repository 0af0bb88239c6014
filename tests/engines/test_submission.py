"""What of a request goes to the worker."""

from dataclasses import replace

import pytest

from server.core.messages import Conversation, UserMessage
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
