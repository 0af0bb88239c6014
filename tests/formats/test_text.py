"""Bytes in pieces become the same text as bytes at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.formats.text import Utf8Decoder

BYTES = st.binary(max_size=30) | st.text(max_size=12).map(str.encode)


@given(pieces=st.lists(BYTES, max_size=8))
def test_pieces_are_decoded_as_the_whole(pieces: list[bytes]) -> None:
    decoder = Utf8Decoder()
    text = "".join(map(decoder.feed, pieces)) + decoder.finish()
    assert text == b"".join(pieces).decode("utf-8", "replace")


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_character_waits_until_it_is_whole(character: str) -> None:
    *first, last = (bytes([value]) for value in character.encode())
    decoder = Utf8Decoder()
    assert [decoder.feed(piece) for piece in first] == [""] * len(first)
    assert decoder.feed(last) == character
    assert decoder.finish() == ""


def test_an_unfinished_character_is_replaced_at_the_end_only() -> None:
    decoder = Utf8Decoder()
    assert decoder.feed(b"\xf0\x9f") == ""
    assert decoder.finish() == "\ufffd"
    assert decoder.feed(b"a") == "a"
