"""Tables of keys as people write them, good and bad; no message repeats a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth.key_text import SHAPE, read_table

JSON = """{
  "sk-example-key-1": {"user": "admin", "permissions": ["all"]},
  "sk-example-key-2": {"user": "user1", "permissions": ["chat", "completions"]}
}"""
PYTHON = """
API_KEYS = {
    "sk-example-key-1": {"user": "admin", "permissions": ["all"]},  # the operator
    'sk-example-key-2': {'user': 'user1', 'permissions': ('chat', "completions",)},
}
"""


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        PYTHON,
        PYTHON.replace("API_KEYS =", "API_KEYS: dict[str, dict] ="),
        f"'{JSON.replace(chr(10), ' ')}'",
    ],
)
def test_two_keys_are_read(text: str):
    table = read_table(text)
    assert table.users() == ["admin", "user1"]
    user = table.authenticate({"authorization": "Bearer sk-example-key-2"})
    assert user.permissions == {"chat", "completions"}


def test_example_in_messages_is_itself_good():
    assert len(read_table(SHAPE)) == 1


def test_empty_table_is_open():
    assert read_table("{}").open


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sk-secret", "neither JSON nor a Python dict"),
        ("{'sk-secret': ", "neither JSON nor a Python dict"),
        ("print('sk-secret')", "neither JSON nor a Python dict"),
        ('["sk-secret"]', "must look like"),
        ('"sk-secret"', "neither JSON nor a Python dict"),
        ("[" * 100_000, "neither JSON nor a Python dict"),
        ('{"sk-secret": "admin"}', "entry 1 must have exactly a user and permissions"),
        ('{"sk-secret": {"user": "a"}}', "entry 1 must have exactly a user and permissions"),
        (
            '{"sk-secret": {"user": "a", "permissions": ["all"], "expires": 1}}',
            "entry 1 must have exactly",
        ),
        (
            '{"sk-secret": {"user": "a", "user": "b", "permissions": ["all"]}}',
            "entry 1 must have exactly",
        ),
        ('{"sk-secret": {"user": 3, "permissions": ["all"]}}', "the user of entry 1"),
        ('{"sk-secret": {"user": " ", "permissions": ["all"]}}', "the user of entry 1"),
        ('{"sk-secret": {"user": "a", "permissions": "all"}}', "needs a list of permissions"),
        ('{"sk-secret": {"user": "a", "permissions": []}}', "needs a list of permissions"),
        ('{"sk-secret": {"user": "a", "permissions": ["chats"]}}', 'unknown permission "chats"'),
        ('{"sk-secret": {"user": "a", "permissions": [["all"]]}}', "unknown permission"),
        ('{"": {"user": "a", "permissions": ["all"]}}', "the key of entry 1"),
        ('{"sk-secret ключ": {"user": "a", "permissions": ["all"]}}', "the key of entry 1"),
        ('{"sk-secret\\n": {"user": "a", "permissions": ["all"]}}', "the key of entry 1"),
        ('{"sk- secret": {"user": "a", "permissions": ["all"]}}', "a space in it"),
        ('{3: {"user": "a", "permissions": ["all"]}}', "the key of entry 1"),
        (
            '{"k": {"user": "a", "permissions": ["all"]}, "sk-secret": 1}',
            "entry 2 must have exactly",
        ),
        (
            '{"sk-secret": {"user": "a", "permissions": ["all"]},'
            ' "sk-secret": {"user": "b", "permissions": ["all"]}}',
            "stands in the table twice",
        ),
    ],
)
def test_bad_table_is_refused_without_showing_a_key(text: str, message: str):
    with pytest.raises(ValueError, match=message) as caught:
        read_table(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused_in_words(text: str):
    sentence = ""
    try:
        assert read_table(text).open
    except ValueError as error:
        sentence = str(error)
    assert "\n" not in sentence
