"""Names to engines, and which models are in memory.

Knows no settings, and not what runs behind a name.
"""
