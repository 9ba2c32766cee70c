"""Motions read back from frames whose motion is known, and the divergence of their histograms."""
