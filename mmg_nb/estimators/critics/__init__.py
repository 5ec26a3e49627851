"""Variational estimators: bounds from a trained critic, and differences of two entropies.

May import what `estimators` may.
"""
