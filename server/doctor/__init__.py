"""The command `doctor`: looks at a machine and at the settings of a server on it, and says of each
how it is and what to do. Changes nothing.
"""
