"""Code is parsed by one thread at a time: CPython 3.11 fails where two make trees at once."""

import ast
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from cdvae.tools import parsing


def test_no_two_threads_make_a_tree_at_once(monkeypatch):
    busy, plain, met = threading.Lock(), ast.parse, []

    def alone(text):
        met.append(busy.locked())
        with busy:
            time.sleep(0.001)
            return plain(text)

    texts = [f"x = {k}\nimport os" for k in range(20)]
    with monkeypatch.context() as patch, ThreadPoolExecutor(4) as pool:
        patch.setattr(ast, "parse", alone)
        found = list(pool.map(lambda text: parsing.parsed(text, "somewhere"), texts))
    assert [list(source.statements) for source in found] == [["x"]] * 20
    assert met == [False] * 20
