"""The vocabulary everything else is written in: plain values, no I/O, nothing but the standard
library.
"""
