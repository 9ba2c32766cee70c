"""The simulated cluster against cases that can be counted by hand."""

import pandas as pd
import pytest

from cdvae.release import readme
from cdvae.studies.scaling import BANDWIDTH, HANDLING, STARTING, Job, jobs, simulated, table
from cdvae.tools.files import project_root


def test_equal_runs_without_data_go_in_rounds():
    found = simulated([Job("none", 100.0, 0, 0)] * 25, 10)
    assert found.makespan == pytest.approx(STARTING + 3 * 100)
    assert found.work == 2500 and found.moved == 0


def test_data_are_fetched_once_a_worker_from_two_that_hold_them():
    read, seconds = int(BANDWIDTH) * 60, 1000.0  # a minute to send
    found = simulated([Job("coco", seconds, read, 0)] * 8, 4)
    # the third and the fourth worker wait for the first copies to be through
    assert found.moved == 4 * read
    assert found.makespan == pytest.approx(STARTING + 60 + 60 + 2 * seconds)


def test_the_client_hands_out_one_run_after_another():
    found = simulated([Job("none", 0.0, 0, 0)] * 1000, 1000)
    assert found.makespan == pytest.approx(1000 * HANDLING)


def test_what_comes_back_is_sent():
    found = simulated([Job("none", 1.0, 0, int(BANDWIDTH))], 1)
    assert found.makespan == pytest.approx(STARTING + 2) and found.moved == int(BANDWIDTH)


def test_the_page_shows_the_committed_table():
    listed = list(jobs(project_root() / "results"))
    assert len(listed) > 100 and all(job.seconds > 0 and job.reads > 0 for job in listed)
    committed = pd.read_csv(project_root() / "results" / "cluster.csv")
    assert set(committed.workers) == {1, 10, 100, 1000}
    assert list(committed.columns) == list(table(listed[:3]).columns)
    page = (project_root() / "notebooks" / "CLUSTER.md").read_text(encoding="utf-8")
    assert readme.scaling_block() in page
