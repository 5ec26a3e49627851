"""MINDE: mutual information from the distance between diffusion scores.

May import what `estimators` may.
"""
