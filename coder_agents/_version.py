"""
The version of this package, which no other file states.
"""

__version__ = "0.1.0"
