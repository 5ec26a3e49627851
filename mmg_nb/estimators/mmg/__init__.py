"""The default estimator for columns of numbers and categories: MMSE gap of trained denoisers.

Start reading at `pipeline.py`, which lists the stages. May import what `estimators` may.
"""
