"""`python -m server` is `gpt-api`."""

from server.cli import main

if __name__ == "__main__":
    main()
