"""
Waiting until an agent can be used, and what its start-up did.

It reads through what it is handed: a few functions of an agent, never the agent itself.
"""
