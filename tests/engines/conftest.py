from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from server.engines.local import LocalEngine, LocalOptions
from server.worker.messages import ModelOptions
from tests.engines.models import StartEngine, limits, local_engine, options


@pytest.fixture
async def start_engine() -> AsyncIterator[StartEngine]:
    """Starts engines with real workers and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def start(
            model: ModelOptions | None = None, *, settle: bool = True, **changes: object
        ) -> LocalEngine:
            given = {"name": "tiny", "model": model or options(), "limits": limits()} | changes
            engine = local_engine(LocalOptions(**given))
            await engine.start()
            stack.push_async_callback(engine.close)
            if settle:
                await engine.settled()
            return engine

        yield start
