"""Models that come, go and are renamed while the server runs, at a client's word.

Knows downloads and the registry, not who may ask nor in which words.
"""
