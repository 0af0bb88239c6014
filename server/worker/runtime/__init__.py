"""The sole importer of llama_cpp, ctypes and numpy: a model in memory that computes batches. Knows
slots and tokens, no requests.
"""
