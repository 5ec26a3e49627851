"""`python -m mmg_nb.benchmark run …` and `python -m mmg_nb.benchmark table FILE…`."""

from mmg_nb.benchmark.commands import main

if __name__ == "__main__":  # a spawned worker imports this file as well
    raise SystemExit(main())
