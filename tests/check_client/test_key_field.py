"""Keys as people paste them, and what of them is shown."""

import pytest

from server.check_client.key_field import hidden, mask, read_key

KEY = "sk-a-key-that-nobody-else-has"


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        (f"{KEY} ", "spaces"),
        (f"\t{KEY}\n", "spaces"),
        (f"{KEY}\u200b", "spaces"),
        (f'"{KEY}"', "quotes"),
        (f"«{KEY}»", "quotes"),
        (f"Bearer {KEY}", '"bearer" before it'),
        (f"bearer {KEY}", '"bearer" before it'),
    ],
)
def test_what_was_pasted_along_is_left_out_and_told(text: str, remark: str):
    key, remarks = read_key(text)
    assert key == KEY
    assert len(remarks) == 1
    assert remark in remarks[0]


def test_a_whole_header_is_understood():
    key, remarks = read_key(f"Authorization: Bearer {KEY}")
    assert (key, len(remarks)) == (KEY, 2)


def test_a_good_key_has_no_remarks():
    assert read_key(KEY) == (KEY, [])
    assert read_key("") == ("", [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sk-sеcret", "character 5 of the key is CYRILLIC SMALL LETTER IE"),
        ("sk-two words", "character 7 of the key is SPACE"),
    ],
)
def test_what_no_key_has_is_named_without_repeating_the_key(text: str, words: str):
    with pytest.raises(ValueError, match=words) as caught:
        read_key(text)
    assert text not in str(caught.value)


def test_of_a_long_key_the_end_is_shown_and_of_a_short_one_nothing():
    assert mask(KEY) == "sk-...-has"
    assert mask("0123456789abcdef") == "...cdef"
    assert mask("short-key") == "(a key of 9 characters)"
    assert mask("") == "(none)"


def test_a_key_in_the_words_of_a_server_is_masked():
    assert hidden(f"Incorrect API key provided: {KEY}.", KEY) == (
        "Incorrect API key provided: sk-...-has."
    )
    assert hidden("nothing", "") == "nothing"
