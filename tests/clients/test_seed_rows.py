"""What five older services promised their clients, row by row, on real servers: in the words and
with the programs of those clients (`seeds/`).

A row without a check here says where it is looked at, or what it waits for.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from gguf import PoolingType

from tests.bert import Bert
from tests.clients import (
    rows_of_seed_0,
    rows_of_seed_1,
    rows_of_seed_2,
    rows_of_seed_3,
    rows_of_seed_4,
)
from tests.clients.other_servers import other_servers
from tests.clients.rows_of_conflicts import CONFLICTS
from tests.clients.sites import (
    KEYED,
    LISTED,
    SEEDS,
    TUNED,
    Sites,
    proxying,
    running,
    write_list,
)

# How many rows each service has.
ROWS_OF_SEEDS = {0: 18, 1: 23, 2: 24, 3: 24, 4: 14}
CONFLICT_ROWS = 15

CHECKS = {
    **rows_of_seed_0.ROWS,
    **rows_of_seed_1.ROWS,
    **rows_of_seed_2.ROWS,
    **rows_of_seed_3.ROWS,
    **rows_of_seed_4.ROWS,
    **CONFLICTS,
}

DEPLOYMENT = "is about installing and starting, not about HTTP: containers, units, scripts"
IMAGE = "is about the image: tests/test_image.py, and tests/deploy/test_image.py runs it"
DOCUMENTATION = "is about the pages, which test_readme.py reads"
DOWNLOADS = "waits for downloads"
ELSEWHERE = {
    "S0-07": "is about a first start: tests/test_supply.py, tests/deploy/test_image.py",
    "S0-09": "is about the machine: tests/worker/runtime/test_placement.py",
    "S0-14": IMAGE,
    "S0-15": "is about compose.yaml: tests/test_image.py",
    "S1-14": DEPLOYMENT,
    "S1-15": DEPLOYMENT,
    "S1-16": DEPLOYMENT,
    "S1-18": DEPLOYMENT,
    "S1-19": DOCUMENTATION,
    "S1-20": DEPLOYMENT,
    "S1-21": IMAGE,
    "S1-22": DOCUMENTATION,
    "S1-23": DOCUMENTATION,
    "S2-13": DOWNLOADS,
    "S2-21": IMAGE,
    "S2-22": "is about other servers: tests/clients/test_asgi_servers.py",
    "S2-23": "is about a page: tests/test_image.py",
    "S2-24": "is about the sources: tests/test_architecture.py",
    "S3-12": DOWNLOADS,
    "S3-13": DOWNLOADS,
    "S3-20": "is about memory, which check-config tells: tests/test_models_table.py",
    "S3-21": "is a setting: tests/test_settings.py",
    "S3-23": DOWNLOADS,
    "S4-10": "is about starting: tests/clients/test_asgi_servers.py, tests/test_image.py",
    "C-6": "is about ports: tests/clients/test_extra_ports.py, tests/test_image.py",
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    path = Bert().write(tmp_path_factory.mktemp("bert") / "bert.gguf", PoolingType.CLS)
    models = write_list(tmp_path_factory.mktemp("list"))
    with ExitStack() as stack:
        others = stack.enter_context(other_servers())
        yield Sites(
            others=others,
            proxy=stack.enter_context(running(models=0, **proxying(others))),
            open=stack.enter_context(running()),
            keyed=stack.enter_context(running(**KEYED)),
            tuned=stack.enter_context(running(models=2, EMBEDDING_MODEL_PATH=str(path), **TUNED)),
            listed=stack.enter_context(running(MODEL_REGISTRY_PATH=str(models), **LISTED)),
        )


def test_every_row_has_a_check_or_a_reason():
    rows = {f"S{s}-{row:02}" for s, count in ROWS_OF_SEEDS.items() for row in range(1, count + 1)}
    rows |= {f"C-{row}" for row in range(1, CONFLICT_ROWS + 1)}
    assert CHECKS.keys() | ELSEWHERE.keys() == rows
    assert not CHECKS.keys() & ELSEWHERE.keys()


def test_every_example_is_used():
    """What stands in the folder and nowhere in these tests would be asked by nobody."""
    sources = "".join(path.read_text() for path in SEEDS.parent.glob("*.py"))
    examples = [path for path in SEEDS.glob("*/*") if path.is_file()]
    assert len(examples) > 35
    assert [str(path) for path in examples if str(path.relative_to(SEEDS)) not in sources] == []


@pytest.mark.parametrize("row", CHECKS)
def test_row(row: str, sites: Sites):
    CHECKS[row](sites)
