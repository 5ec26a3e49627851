"""The default estimator of rows of numbers and categories: MMSE gap of trained denoisers.

`pipeline.py` is its table of contents. May import what `estimators` may.
"""
