"""
The same work done by this package, by a limit and by others, and what it cost each.
"""
