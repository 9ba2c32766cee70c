"""Whatever an input holds, it is used, or refused in a sentence; nothing else happens."""

from collections import Counter

import pytest
from child import FAILED, Child
from hypothesis import HealthCheck, Phase, given, seed, settings
from reliability import note
from targets import TARGETS

SEED = 20260
SHORT = 10  # mutated inputs of each kind, in an ordinary run


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs(name, in_all):
    target, child, counts, wrong = TARGETS[name], Child(name), Counter(), []
    n = SHORT if in_all is None else max(1, round(in_all * target.share))

    @seed(SEED)
    @settings(
        max_examples=n,
        deadline=None,  # the child has a limit for each input
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(target.examples)
    def tried(example):
        how, said = child.feed(example)
        counts[how] += 1
        if how == FAILED:
            wrong.append((example, said))

    try:
        tried()
    finally:
        child.end()
    if in_all is not None:
        note(f"mutated {name}", counts)
    assert not wrong, "\n\n".join(f"{said}\nof {example!r:.600}" for example, said in wrong[:5])
