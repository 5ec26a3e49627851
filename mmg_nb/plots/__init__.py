"""Figures of results: error curves, integrand, training history, intervals.

May import `errors` and `results`. Within the core, only this package loads matplotlib.
"""
