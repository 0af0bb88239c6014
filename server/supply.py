"""Gets a served model from a hub before it is loaded, and says meanwhile how far that is: in the
log at every tenth, to whoever asks for the engine's state all the time.
"""

import logging
from collections.abc import Callable

from server.core.errors import ServerError
from server.engines.supervision import Obtain
from server.hub.client import Hub
from server.hub.download import Download, Patience
from server.hub.errors import HubError
from server.hub.folder import Folder
from server.hub.progress import Progress, Steps, sentence
from server.hub.reference import Reference

log = logging.getLogger(__name__)

# Nobody watches a service: it goes on trying for as long as that may help.
ENDLESS = Patience(attempts=None)


def supply(hub: Hub, folder: Folder, reference: Reference, patience: Patience = ENDLESS) -> Obtain:
    """What an engine calls for its model's path. Errors of that: ServerError."""

    async def obtain(say: Callable[[str], None]) -> str:
        steps = Steps(lambda text: log.info("%s: %s", reference, text))

        def report(progress: Progress) -> None:
            say(sentence(progress))
            steps.show(progress)

        say("looking for the model")
        try:
            return str(await Download(hub, folder, report, patience=patience).run(reference))
        except HubError as error:
            raise ServerError("engine_failed", str(error)) from error

    return obtain
