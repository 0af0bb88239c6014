"""Base URLs as people write them."""

import pytest

from server.check_client.address import Address, read_address

GOOD = "http://203.0.113.5:8000/v1"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"{GOOD}/",
        "http://203.0.113.5:8000",
        "http://203.0.113.5:8000/",
        f"{GOOD}/chat/completions",
        f"{GOOD}/chat/completions/chat/completions/",
        "http://203.0.113.5:8000//v1",
        "203.0.113.5:8000/v1",
        "203.0.113.5:8000",
        "//203.0.113.5:8000/v1",
        "http:/203.0.113.5:8000/v1",
        "http//203.0.113.5:8000/v1",
        f'"{GOOD}"',
        f" {GOOD}\n",
        f"«{GOOD}»",
        f"\u200b{GOOD}\ufeff",
        f"<{GOOD}>",
        "HTTP://203.0.113.5:8000/v1",
        f"{GOOD}?x=1#y",
    ],
)
def test_every_way_of_writing_it_is_understood(text: str):
    assert read_address(text).base_url == GOOD


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("203.0.113.5:8000/v1", "no http://"),
        ("api.example.com:443/v1", "no https://"),
        ("http://203.0.113.5:8000", "does not end with /v1"),
        (f"{GOOD}/chat/completions", "address of chats"),
        (f" {GOOD}", "spaces"),
        (f"{GOOD}#top", "# in it"),
        ("http:/api.example.com/v1", "begin with http://"),
    ],
)
def test_what_is_odd_about_it_is_said(text: str, remark: str):
    (found,) = read_address(text).remarks
    assert remark in found


def test_a_good_one_has_no_remarks():
    assert read_address(GOOD).remarks == ()
    assert read_address(f"{GOOD}/").remarks == ()


def test_ports_of_the_schemes_are_left_out():
    assert read_address("https://api.example.com/v1").port == 443
    assert read_address("http://api.example.com:80/v1").base_url == "http://api.example.com/v1"
    assert read_address("api.example.com:443").base_url == "https://api.example.com/v1"


def test_what_stands_before_v1_is_kept():
    assert read_address("https://example.com/gpt/v1/chat/completions") == Address(
        scheme="https",
        host="example.com",
        port=443,
        path="/gpt",
        remarks=("it is the address of chats; the base URL ends with /v1",),
    )


def test_ipv6_is_written_in_brackets():
    assert read_address("http://[2001:db8::1]:8000/v1").root == "http://[2001:db8::1]:8000"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ('""', "is empty"),
        ("http://my server:8000/v1", "has a space in it"),
        ("http://203.0.113.5:80000/v1", "no port between 1 and 65535"),
        ("http://203.0.113.5:port/v1", "no port"),
        ("http://203.0.113.5:0/v1", "names no server"),
        ("http:///v1", "names no server"),
        ("http://user:word@203.0.113.5/v1", "names no server"),
        ("ftp://203.0.113.5/v1", "no web address"),
    ],
)
def test_what_names_no_server_is_refused_with_a_way_out(text: str, words: str):
    with pytest.raises(ValueError, match=words) as caught:
        read_address(text)
    assert "http" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("127.0.0.1", "machine"),
        ("localhost", "machine"),
        ("[::1]", "machine"),
        ("0.0.0.0", "machine"),
        ("192.168.1.7", "network"),
        ("10.0.0.2", "network"),
        ("8.8.8.8", "world"),
        ("api.example.com", "world"),
    ],
)
def test_from_where_it_can_be_reached(host: str, reach: str):
    assert read_address(f"http://{host}:8000/v1").reach == reach
