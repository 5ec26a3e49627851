"""The training loop with its schedule, validation and optimisers, and the checkpoint of a run.

May import `results`, `runs` and `denoisers`, and what those may import.
"""
