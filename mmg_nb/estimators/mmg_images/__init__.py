"""The MMSE gap where an image is noised, by small U-Nets.

May import what `estimators` may.
"""
