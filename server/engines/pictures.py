"""Pictures that nobody here can see are refused."""

from server.core.errors import ServerError
from server.core.messages import Conversation, Image, UserMessage
from server.core.request import GenerationRequest


def refuse_pictures(request: GenerationRequest, *, sees: bool) -> None:
    """Errors: ServerError invalid for a picture, unless the model `sees`."""
    if sees or not isinstance(request.prompt, Conversation):
        return
    for message in request.prompt.messages:
        for part in message.parts if isinstance(message, UserMessage) else ():
            if isinstance(part, Image):
                raise ServerError(
                    "invalid",
                    f"Unsupported content: '{part.path}' is a picture, and this model reads text"
                    " only.",
                    param=part.path,
                    code="unsupported_content",
                )
