"""Variational estimators: a trained critic and a bound, or the difference of two entropies.

May import what `estimators` may.
"""
