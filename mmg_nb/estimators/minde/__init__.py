"""MINDE: mutual information as a distance between diffusion scores.

May import what `estimators` may.
"""
