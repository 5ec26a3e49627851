"""Figures of results: error curves, integrand, history, intervals.

May import `errors` and `results`. Matplotlib is loaded here and nowhere else in the core.
"""
