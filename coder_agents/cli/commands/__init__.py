"""
The commands, each a module that is imported when the command runs.
"""
