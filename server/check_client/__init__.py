"""The command `check-client`: asks a server what a bot asks, and explains what comes back.

An outsider: it knows HTTP and what clients rely on, and nothing of what is behind the address.
"""
