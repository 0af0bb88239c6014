"""Keys in headers: who is let in, who is not, and that nothing ever repeats a key."""

import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth import keys
from server.auth.key_text import read_table
from server.auth.keys import ANONYMOUS, PERMISSIONS, KeyTable, Principal
from server.core.errors import ServerError

KEY, CHAT_KEY = "sk-example-key-1", "sk-example-key-2"
TABLE = read_table(
    json.dumps(
        {
            KEY: {"user": "admin", "permissions": ["all"]},
            CHAT_KEY: {"user": "user1", "permissions": ["completions"]},
        }
    )
)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"authorization": f"BEARER   {KEY}  "},
        {"authorization": KEY},
        {"x-api-key": KEY},
        {"api-key": KEY},
        {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": KEY},
        {"authorization": "", "api-key": KEY},
    ],
)
def test_key_is_found_wherever_clients_put_it(headers: dict[str, str]):
    assert TABLE.authenticate(headers).user == "admin"


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Bearer  "}],
)
def test_missing_key(headers: dict[str, str]):
    with pytest.raises(ServerError, match=r"^API key is missing") as caught:
        TABLE.authenticate(headers)
    assert (caught.value.kind, caught.value.code) == ("unauthenticated", "invalid_api_key")


@pytest.mark.parametrize(
    "value",
    [KEY[:-1], KEY + "0", KEY.upper(), f"Token {KEY}", f"Bearer Bearer {KEY}", f"{KEY},{KEY}"],
)
def test_wrong_key(value: str):
    with pytest.raises(ServerError, match=r"^Invalid API key") as caught:
        TABLE.authenticate({"authorization": value})
    assert caught.value.kind == "unauthenticated"
    assert KEY[:-1] not in caught.value.message


@given(
    st.dictionaries(
        st.sampled_from(keys.KEY_HEADERS),
        st.text(st.characters(max_codepoint=0xFF)) | st.text(),
    )
)
def test_any_header_is_refused_in_words_or_let_in_by_a_key(headers: dict[str, str]):
    kind = ""
    try:
        TABLE.authenticate(headers)
    except ServerError as error:
        kind = error.kind
    known = any(KEY[:-1] in value for value in headers.values())
    assert kind == ("" if known else "unauthenticated")


@given(st.sampled_from(["Bearer", "bearer", "BeArEr"]), st.text(" \t", min_size=1, max_size=5))
def test_scheme_and_spaces_do_not_matter(scheme: str, gap: str):
    value = f"{scheme} {gap}{KEY}{gap}"
    assert TABLE.authenticate({"authorization": value}).user == "admin"


def test_open_table_lets_everybody_in():
    assert KeyTable().open
    assert KeyTable().authenticate({}) is ANONYMOUS
    assert KeyTable().authenticate({"authorization": "Bearer whatever"}) is ANONYMOUS
    assert ANONYMOUS.allows("chat")
    assert not ANONYMOUS.allows("admin")


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_all_allows_everything(permission: keys.Permission):
    assert Principal(user="a", permissions=frozenset({"all"})).allows(permission)


def test_permission_is_required_by_name():
    completer = TABLE.authenticate({"authorization": f"Bearer {CHAT_KEY}"})
    completer.require("completions")
    with pytest.raises(ServerError, match=r"doesn't have permission.*'chat' or 'all'") as caught:
        completer.require("chat")
    assert caught.value.kind == "forbidden"


def test_every_entry_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch):
    compared: list[bytes] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return hmac_compare(left, right)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(keys.hmac, "compare_digest", compare)
    TABLE.authenticate({"authorization": KEY})
    assert compared == [entry.digest for entry in TABLE]


def test_table_tells_users_and_never_keys():
    assert TABLE.users() == ["admin", "user1"]
    assert (str(TABLE), str(KeyTable([next(iter(TABLE))]))) == ("2 keys", "1 key")
    shown = repr(TABLE) + str(TABLE) + repr(list(TABLE)) + repr(vars(TABLE))
    assert KEY not in shown
    assert CHAT_KEY not in shown
