"""Generate's context: what was packed is what is unpacked, and nothing else is."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.messages import AssistantMessage, Instructions, Message, UserMessage
from server.dialects.ollama_context import pack, unpack
from tests.dialects.asking_ollama import generate_request

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MESSAGES = st.lists(
    st.one_of(
        st.builds(Instructions, text=TEXT),
        st.builds(UserMessage, text=TEXT),
        st.builds(AssistantMessage, text=TEXT),
    ),
    min_size=1,
    max_size=5,
)


@given(MESSAGES)
def test_what_is_packed_comes_out_again(messages: list[Message]):
    packed = pack(messages)
    assert all(0 <= number < 2**16 for number in packed)
    assert unpack(packed) == tuple(messages)


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=8))
def test_any_other_list_is_refused(numbers: list[int]):
    # What begins like a packed list may be one.
    assume(numbers[0] >> 8 not in {*b"[ \t\r\n"})
    with pytest.raises(ServerError, match="not one that this server gave"):
        unpack(numbers)


def test_what_was_said_stands_before_the_prompt():
    said = [UserMessage(text="My name is Wolfgang."), AssistantMessage(text="Hello!")]
    asked = generate_request({"context": pack(said), "prompt": "Who am I?"})
    assert asked.conversation.messages == (*said, UserMessage(text="Who am I?"))
