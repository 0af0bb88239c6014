"""Has a process of its own look at the engine and the model, and survives what that survives not.

What is looked at: worker/survey.py.
"""

import subprocess
import sys
from pathlib import Path

from server.worker.survey import Survey, SurveyRequest, question, read_answer

TIME_LIMIT_S = 120.0
_LOOKER = "server.worker.runtime.survey"
_PACKAGE_ROOT = str(Path(__file__).resolve().parent.parent)
# As `-m`, but this package is found wherever the command was started.
_START = (
    f"import sys, runpy; sys.path.insert(0, {_PACKAGE_ROOT!r});"
    f" runpy.run_module({_LOOKER!r}, run_name='__main__')"
)


class SurveyFailed(Exception):
    """The process ended without an answer; the text is its last words."""


def look(request: SurveyRequest) -> Survey:
    """Errors: SurveyFailed."""
    command = [sys.executable, "-c", _START, question(request)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SurveyFailed(str(error)) from None
    try:
        return read_answer(done.stdout)
    except ValueError:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"it ended with status {done.returncode}"
        raise SurveyFailed(last) from None
