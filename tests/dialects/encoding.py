"""JSON as a client writes it."""

import json
from typing import Any


def encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
