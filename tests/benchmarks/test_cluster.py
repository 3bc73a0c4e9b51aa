"""The experiment on a cluster: what of it needs neither root nor a cluster."""

import os
import subprocess

import pytest

from benchmarks import cluster


@pytest.mark.parametrize("kind", cluster.NEEDS)
def test_the_commands_are_those_of_the_readme(kind):
    script = cluster.commands(kind)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    for part in (
        "DASK_CONFIG=",
        "dask scheduler",
        "dask worker tls://",
        "--nthreads 1",
        "dolphins grade ~/class",
    ):
        assert part in script


def test_what_is_missing_is_said_with_how_to_get_it(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "by root alone" in cluster.missing("ssh")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "")
    said = cluster.missing("slurm")
    assert "slurmctld" in said and "apt-get install bubblewrap util-linux munge slurm-wlm" in said


def test_records_are_compared_but_for_who_made_them_and_how_fast():
    first = {"ada": {"points": 1, "seconds": 2.0}, "eve": {"points": 1, "seconds": 1.0}}
    second = {"ada": {"points": 1, "seconds": 3.0, "worker": "host1:5"}, "eve": {"points": 2, "seconds": 1.0}}
    assert cluster.different(first, second) == ["eve"]
    assert cluster.different(first, first) == []
    assert cluster.different(first, {}) == ["ada", "eve"]
