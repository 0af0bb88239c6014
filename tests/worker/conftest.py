from collections.abc import Callable, Iterator

import pytest

from tests.worker.worker_process import Worker


@pytest.fixture
def start() -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start_one(*arguments: str) -> Worker:
        started.append(Worker(*arguments))
        return started[-1]

    yield start_one
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
        assert worker.process.stderr is not None
        worker.process.stderr.close()
        worker.leave()
