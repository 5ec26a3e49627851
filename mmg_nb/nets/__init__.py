"""Neural networks and the tensor operations they share; all carry one set of weights a member.

Imports nothing of the package but its own files.
"""
