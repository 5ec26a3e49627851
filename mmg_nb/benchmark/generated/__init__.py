"""Tasks that a number generates: a dependence with exact MI, and maps that leave MI unchanged.

May import the distributions, `tasks` and `transforms` of the benchmark.
"""
