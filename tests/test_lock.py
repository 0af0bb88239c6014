"""requirements.lock: that the installer gets what requirements.txt allows, for every Python."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.deploy.wheelhouse import ENGINE, locked

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def wanted() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("version", PYTHONS)
def test_every_requirement_is_locked_to_a_version_that_is_allowed(version: str) -> None:
    pairs = [name.split("==") for name in locked(version)]
    versions = dict(pairs)
    assert len(versions) == len(pairs), "a package is locked twice"
    for requirement in wanted():
        assert versions[requirement.name] in requirement.specifier, "run scripts/lock"
    # What builds the release.
    assert "setuptools" in versions


def test_every_package_has_checksums() -> None:
    blocks = re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) > len(wanted())
    assert not [block for block in blocks if "--hash=sha256:" not in block]


def test_the_engine_has_the_checksum_of_its_source() -> None:
    (block,) = re.findall(rf"^{ENGINE}==.*\n(?:    .*\n)*", LOCK, re.MULTILINE)
    assert block.count("--hash") == 1
