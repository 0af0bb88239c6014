"""Formats: model text to and from the words of `server.core`. No I/O, no HTTP, no llama.cpp."""
