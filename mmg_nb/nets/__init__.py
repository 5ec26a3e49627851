"""Neural networks and their tensor operations. Each member has its own set of weights.

May import `polling`.
"""
