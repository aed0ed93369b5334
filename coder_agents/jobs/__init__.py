"""
Commands on an agent: the control shell, its protocol, and the jobs that it starts.
"""
