"""Mutual information from denoising errors: the gap, its integral, and its standard error.

May import `results`, `runs` and `denoisers`, and what those may import.
"""
