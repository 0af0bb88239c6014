"""Every setting: its name, meaning, default and limits; where values come from, what is wrong with
them, and what each part gets of them.
"""
