"""Wire words <-> the vocabulary of core: a file or few a dialect, pure.

Knows neither HTTP nor engines.
"""
