"""Models from a hub: what their names mean, and how a file comes here, however often it is cut.

Knows files and HTTP, not what is inside a model, nor who wants it.
"""
