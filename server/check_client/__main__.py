"""`python -m server.check_client` is `gpt-api check-client`, and needs nothing but httpx2."""

import sys

from server.cli_checks import check_client_alone

if __name__ == "__main__":
    sys.exit(check_client_alone())
