"""The command `bench`: how fast this machine answers with this model, what limits it, and what to
change. Measures in rounds and says how far they differ.
"""
