"""Reads, checks, pairs, splits and transforms the user's arrays.

May import `errors` and `polling`.
"""
