"""
Clusters of Dask on this machine.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest


@contextlib.contextmanager
def local_cluster(**settings: Any) -> Iterator[Any]:
    """
    Start a cluster with these *settings*, and yield a client of it; skip the test where Dask is missing.
    """
    distributed = pytest.importorskip("distributed", reason="Dask (distributed) is not installed")
    with (
        mock.patch.dict(os.environ),  # Dask sets variables for its workers, and leaves them
        warnings.catch_warnings(action="ignore"),  # of Dask and of its libraries
        # The dashboard takes any free port; None would take 8787.
        distributed.LocalCluster(dashboard_address="127.0.0.1:0", **settings) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
