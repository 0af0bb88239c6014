"""Pictures in a user's message, by their addresses: nothing is fetched, nothing is looked into but
the first bytes of what is written out. Knows no dialect's fields.
"""

import re
from collections.abc import Sequence

from server.core.messages import Image, UserMessage
from server.dialects.refusals import invalid_value

_ADDRESS = re.compile(r"https?://[^\s/]|data:image/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=_-]", re.ASCII)
# What the base64 of a picture's first bytes begins with.
_KINDS = (("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"))


def picture(url: str, detail: str | None, path: str, url_path: str) -> Image:
    """Errors: ServerError invalid for what is no address of a picture."""
    if not _ADDRESS.match(url):
        raise invalid_value(
            url_path, "it must be an address (https://...) or a picture itself (data:image/...)"
        )
    return Image(url=url, detail=detail, path=path)


def data_url(encoded: str, media_type: str | None = None) -> str:
    """The address of a picture that is written out in base64."""
    if media_type is None:
        kind = next((kind for begin, kind in _KINDS if encoded.startswith(begin)), "png")
        media_type = f"image/{kind}"
    return f"data:{media_type};base64,{encoded}"


def user_message(parts: Sequence[str | Image]) -> UserMessage:
    """What a user says in these parts: texts are joined by line ends."""
    texts = [part for part in parts if isinstance(part, str)]
    seen = len(texts) < len(parts)
    return UserMessage(text="\n".join(texts), parts=tuple(parts) if seen else ())
