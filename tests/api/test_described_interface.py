"""Requests made up from the description of the interface, good and bad: none makes the server fail.

The engine is a script: what a real one says to strange prompts is tested with the formats.
"""

from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error

from server.hub.errors import HubError
from server.hub.progress import Report
from server.hub.reference import Reference
from server.library.library import Library
from server.library.record import Kept
from server.registry.entries import Served
from tests.api.serving import app_on
from tests.fakes import ScriptedEngine

# Requests to each operation, so that all of them take seconds.
EXAMPLES = 12
NOT_IMPLEMENTED = 501


async def no_hub(reference: Reference, _: Report) -> Path:
    raise HubError("unknown", f"{reference} does not exist")


def nothing_to_make(kept: Kept, _: Path) -> Served:
    raise ValueError(f"{kept.name} is not a whole GGUF file")


# A folder that nothing can be written to.
library = Library(Path("/proc/nowhere"), no_hub, nothing_to_make, lambda _: False)
described = schemathesis.openapi.from_asgi(
    "/openapi.json", app_on(ScriptedEngine(), library=library)
)


@described.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_no_request_makes_the_server_fail(case: schemathesis.Case):
    response = case.call()
    if response.status_code != NOT_IMPLEMENTED:
        case.validate_response(response, checks=[not_a_server_error])
    if response.status_code >= 400 and case.method != "HEAD":
        assert response.json()["error"]
