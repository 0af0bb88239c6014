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
    BUNDLED,
    KEYED,
    LISTED,
    SEEDS,
    TUNED,
    Sites,
    proxying,
    running,
    write_list,
)
from tests.hub.local_hub import running_hub

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

SERVICE = "is about the service: tests/test_unit.py, and tests/deploy/test_service.py runs it"
IMAGE = "is about the image: tests/test_image.py, and tests/deploy/test_image.py runs it"
DOCUMENTATION = "is about the pages, which test_readme.py reads"
ELSEWHERE = {
    "S0-07": "is about a first start: tests/test_supply.py, tests/deploy/test_image.py",
    "S0-09": "is about the machine: tests/worker/runtime/test_placement.py",
    "S0-14": IMAGE,
    "S0-15": "is about compose.yaml: tests/test_image.py",
    "S1-14": "is about starting: tests/clients/test_service_life.py, under a name of its own",
    "S1-15": SERVICE,
    "S1-16": "is about commands: tests/deploy/test_readme.py types them",
    "S1-18": "is about requirements.txt: tests/test_scripts.py, tests/test_lock.py",
    "S1-19": "is about the machine, which doctor looks at: tests/doctor/test_room.py",
    "S1-20": "is about the firewall: tests/deploy/test_firewall.py",
    "S1-21": IMAGE,
    "S1-22": "is about a page and `doctor`: tests/test_bot_pages.py, tests/doctor/test_findings.py",
    "S1-23": DOCUMENTATION,
    "S2-13": "is about downloads: tests/hub/test_download.py, tests/clients/test_ollama_library.py",
    "S2-21": IMAGE,
    "S2-22": "is about other servers: tests/clients/test_asgi_servers.py",
    "S2-23": "is about a page: tests/test_image.py",
    "S2-24": "is about the sources: tests/test_architecture.py",
    "S3-20": "is about memory: tests/settings/test_models_table.py, tests/doctor/test_room.py",
    "S3-21": "is a setting: tests/settings/test_settings.py",
    "S3-23": "is a command: tests/test_pull.py",
    "S4-10": "is about starting: tests/clients/test_asgi_servers.py, tests/test_image.py",
    "C-6": "is about ports: tests/clients/test_extra_ports.py, tests/test_image.py",
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    path = Bert().write(tmp_path_factory.mktemp("bert") / "bert.gguf", PoolingType.CLS)
    models = write_list(tmp_path_factory.mktemp("list"))
    with ExitStack() as stack:
        others = stack.enter_context(other_servers())
        hub = stack.enter_context(running_hub())
        hub.add("ggml-org/gemma-3-4b-it-GGUF", "gemma-3-4b-it-Q4_K_M.gguf", BUNDLED.read_bytes())
        downloads = str(tmp_path_factory.mktemp("models"))
        yield Sites(
            others=others,
            proxy=stack.enter_context(running(models=0, **proxying(others))),
            open=stack.enter_context(running(HF_ENDPOINT=hub.endpoint, MODELS_DIR=downloads)),
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
