"""The other kind of worker: texts in, vectors out. Knows not llama.cpp, nor how frames travel."""
