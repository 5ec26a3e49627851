"""Stop a run at a step, and compare results of runs that were stopped and resumed."""

from __future__ import annotations

import json

from mmg_nb.runs.events import Step


def content(result):
    """Everything but where and when."""
    data = result.to_dict()
    del data["provenance"]
    return json.dumps(data)


def stop_at(step):
    """A listener that stops at a step, counted over all trainings."""
    done = []

    def listen(event):
        done.extend([event] if isinstance(event, Step) else [])
        return len(done) == step

    return listen
