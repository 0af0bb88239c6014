"""gpt-api: an OpenAI-compatible server for gpt-oss on one's own machine."""

__version__ = "0.1.0"
