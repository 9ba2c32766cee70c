"""The examples that the search and the study of sizes have in common: one pool, of which each size
takes the first so many to train on; validation and test examples are the same for all."""

from functools import cache

from cdvae.data import sources
from cdvae.data.fields import task_named
from cdvae.data.sources import Plan, Source
from cdvae.runs.experiment import Experiment

POOL = {"n_train": 80_000, "n_valid": 500, "n_test": 2_000, "flips": True}


@cache
def planned(source: Source, task: str) -> Plan:
    """A source's plan for a task, which takes seconds where it is of many files."""
    return sources.plan(source, task_named(task))


class Pooled(Experiment):
    """An experiment of many on one pool: they look at the files once."""

    def plan(self, task: str) -> Plan:
        if task not in self._plans:  # which travels to workers, as the cache does not
            self._plans[task] = planned(self.source, task)
        return self._plans[task]
