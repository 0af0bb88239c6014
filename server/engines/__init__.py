"""Engines: whatever answers a request. Knows no HTTP and no API's words."""
