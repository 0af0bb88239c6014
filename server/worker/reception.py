"""Where commands arrive, on the thread that reads them: requests are answered at once, also in the
middle of a long step, and so is whoever asks for a sign of life; the loop takes the rest when it
gets to it.
"""

import time
from collections.abc import Callable
from queue import SimpleQueue

from server.worker.embedding.gate import EmbeddingGate
from server.worker.embedding.messages import Embed
from server.worker.gate import Gate
from server.worker.loop import Watch
from server.worker.messages import Accepted, Cancel, Close, Ping, Refused, Submit
from server.worker.wire import Command, Report, Request


class Reception:
    """`commands` holds what the loop is to obey: requests only when they were accepted. Until it is
    opened, Close calls `give_up`: a load cannot be told to stop.
    """

    def __init__(
        self,
        send: Callable[[Report], None],
        give_up: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.commands: SimpleQueue[Command] = SimpleQueue()
        self.watch = Watch()
        self._send = send
        self._give_up = give_up
        self._clock = clock
        self._gate: Gate | EmbeddingGate | None = None

    def open(self, gate: Gate | EmbeddingGate) -> None:
        """The model is there: requests may come."""
        self._gate = gate

    def take(self, command: Command) -> None:
        """Take what has just arrived."""
        match command:
            case Submit() | Embed():
                report = self._answer(command)
                self._send(report)
                if isinstance(report, Refused):
                    return
            case Ping():
                if not self.watch.hangs(self._clock()):
                    self._send(command)
                return
            case Cancel() if isinstance(self._gate, EmbeddingGate):
                # It makes room at once: what it came for is interrupted or never begun.
                self._gate.leave(command.id)
            case Close() if self._gate is None:
                self._give_up()
        self.commands.put(command)
        self.watch.notice(command)

    def _answer(self, request: Request) -> Accepted | Refused:
        match self._gate, request:
            case Gate() as gate, Submit() as submit:
                return gate.enter(submit)
            case EmbeddingGate() as gate, Embed() as embed:
                return gate.enter(embed)
            case None, _:
                message = "The model is still being loaded; try again soon."
                return Refused(id=request.id, kind="busy", message=message)
        return Refused(id=request.id, kind="invalid", message="This model cannot do that.")
