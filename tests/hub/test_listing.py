"""Which file of a repository is meant."""

import pytest

from server.hub.errors import HubError
from server.hub.listing import HubFile, choose
from server.hub.reference import Reference

PARTS = [f"big/m-Q8_0-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
MANY = ["README.md", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m-UD-Q4_K_XL.gguf", "m-F16.gguf", *PARTS]
EXTRAS = ["mmproj-F16.gguf", "imatrix_unsloth.gguf"]


def chosen(wanted: str | None, *paths: str, **known: object) -> list[str]:
    files = [HubFile(path=path, size=1_500_000_000, sha256="ab") for path in paths]
    reference = Reference(repo="o/r", file=wanted, **known)
    return [file.path for file in choose(reference, files)]


@pytest.mark.parametrize(
    ("wanted", "paths", "found"),
    [
        (None, ["README.md", "m.gguf"], ["m.gguf"]),
        (None, ["m.gguf", *EXTRAS], ["m.gguf"]),
        (None, PARTS, PARTS),
        ("m-F16.gguf", MANY, ["m-F16.gguf"]),
        ("M-f16.GGUF", MANY, ["m-F16.gguf"]),
        ("F16", [*MANY, *EXTRAS], ["m-F16.gguf"]),
        ("q4_k_m", MANY, ["m-Q4_K_M.gguf"]),
        ("UD-Q4_K_XL", MANY, ["m-UD-Q4_K_XL.gguf"]),
        ("Q8_0", MANY, PARTS),
        (PARTS[1], MANY, PARTS),
        ("m-Q8_0-00002-of-00003.gguf", MANY, PARTS),
        ("mmproj-F16.gguf", EXTRAS, ["mmproj-F16.gguf"]),
    ],
)
def test_the_model_is_found(wanted: str | None, paths: list[str], found: list[str]):
    assert chosen(wanted, *paths) == found


@pytest.mark.parametrize(
    ("wanted", "paths", "words"),
    [
        (None, ["README.md"], "hf.co/o/r holds no GGUF file"),
        (
            None,
            ["a.gguf", "b.gguf"],
            "name one as hf.co/o/r:FILE, where FILE is one of a.gguf (1.5",
        ),
        ("m-Q4", ["m-Q4-x.gguf", "m-Q4-y.gguf"], "hf.co/o/r:m-Q4 could mean 2 models"),
        ("m-Q4_K_N.gguf", MANY, "has no model m-Q4_K_N.gguf; did you mean m-Q4_K_"),
        ("zzz", ["a.gguf", "b.gguf"], "has no model zzz; it has a.gguf, b.gguf"),
        ("Q4_K", MANY, "has no model Q4_K"),
        ("README.md", MANY, "hf.co/o/r:README.md is not a GGUF file"),
        (None, PARTS[:2], "hf.co/o/r lacks big/m-Q8_0-00003-of-00003.gguf"),
        (PARTS[1], PARTS[1:], "hf.co/o/r lacks big/m-Q8_0-00001-of-00003.gguf"),
    ],
)
def test_why_it_is_not_found(wanted: str | None, paths: list[str], words: str):
    with pytest.raises(HubError) as caught:
        chosen(wanted, *paths)
    assert words in str(caught.value)
    assert not caught.value.temporary


def test_long_list_is_cut():
    with pytest.raises(HubError, match=r"m39\.gguf \(1\.5 GB\) and 10 more$"):
        chosen(None, *[f"m{number:02}.gguf" for number in range(50)])


def test_file_that_the_catalogue_does_not_know_is_refused():
    with pytest.raises(
        HubError, match=r"no longer the file that short stands for .* as hf\.co/o/r:m"
    ):
        chosen("m.gguf", "m.gguf", name="short", size=1_500_000_000, sha256="cd")
    with pytest.raises(HubError, match="1500000000 bytes instead of 7"):
        chosen("m.gguf", "m.gguf", name="short", size=7, sha256="ab")


def test_checksum_of_the_catalogue_serves_where_the_hub_has_none():
    reference = Reference(repo="o/r", file="m.gguf", name="short", size=7, sha256="cd")
    (file,) = choose(reference, [HubFile(path="m.gguf", size=7)])
    assert file.sha256 == "cd"
