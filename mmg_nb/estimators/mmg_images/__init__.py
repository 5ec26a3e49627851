"""The MMSE gap of a noised image, with small U-Nets as denoisers.

May import what `estimators` may.
"""
