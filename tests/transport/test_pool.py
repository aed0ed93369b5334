"""
The connections that a client's own session keeps.
"""

from __future__ import annotations

import pickle
import queue

import pytest
import requests
import urllib3

from coder_agents import Client
from coder_agents.transport.pool import POOL_SIZE, Places, PooledAdapter

TOKEN = "0123456789-abcdefghijklmnopqrstuv"


def test_the_connection_that_was_given_back_last_is_taken_first() -> None:
    """
    A connection that was in use a moment ago is the one that most probably still works.
    """
    places = Places(3)
    for each in (None, "old", "new"):
        places.put(each, block=False)
    assert [places.get(block=False) for _ in range(places.qsize())] == ["new", "old", None]
    with pytest.raises(queue.Empty):
        places.get(block=False)


def test_no_more_connections_are_kept_than_there_are_places() -> None:
    """
    A pool without a free place refuses a connection, which urllib3 then closes.
    """
    places = Places(1)
    places.put("kept")
    with pytest.raises(queue.Full):
        places.put("too many", block=False)
    assert places.qsize() == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://127.0.0.1:1"])
def test_the_pools_of_a_client_have_places_without_locks(url: str) -> None:
    """
    The pools of both schemes are the quick ones, and those of a pickled client too.
    """
    with Client(url, TOKEN) as client, pickle.loads(pickle.dumps(client)) as copy:
        for each in (client, copy):
            adapter = each._http.session.get_adapter(url)
            assert isinstance(adapter, PooledAdapter)
            pool = adapter.poolmanager.connection_from_url(url)
            assert isinstance(pool.pool, Places)
            assert pool.pool.qsize() == pool.pool.maxsize == POOL_SIZE


def test_the_pools_of_others_are_as_they_were() -> None:
    """
    Sessions that are not a client's own keep the pools of urllib3.
    """
    with Client("http://127.0.0.1:1", TOKEN), requests.Session() as session:
        adapter = session.get_adapter("http://127.0.0.1:1")
        assert isinstance(adapter, requests.adapters.HTTPAdapter)
        pool = adapter.poolmanager.connection_from_url("http://127.0.0.1:1")
        assert type(pool) is urllib3.HTTPConnectionPool
        assert not isinstance(pool.pool, Places)
