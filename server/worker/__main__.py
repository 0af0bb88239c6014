"""`python -m server.worker --fd N`: one model in a process of its own."""

import sys

from server.worker.main import main

sys.exit(main(sys.argv[1:]))
