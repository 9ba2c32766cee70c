"""Data sets: every source hands the same `Fields` to every model."""
