"""Neural networks and their tensor operations. Each member has its own set of weights.

Imports nothing of the package but its own files.
"""
