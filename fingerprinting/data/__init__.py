"""Data sets, who may see which example, downloads, pickles that run no code."""
