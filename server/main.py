"""The application for any ASGI server: `uvicorn server.main:app`, `hypercorn server.main:app`.

Importing this reads the settings, so nothing else of ours imports it.
"""

from server.application import create_app
from server.settings.load import SettingsError, load

try:
    app = create_app(load())
except SettingsError as error:
    # Whoever imports this wants a sentence, not a traceback.
    raise SystemExit(str(error)) from None
