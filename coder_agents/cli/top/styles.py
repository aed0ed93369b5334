"""
The style sheet of the dashboard.
"""

from __future__ import annotations

CSS = """
#summary {
    height: 1;
    padding: 0 1;
    background: $panel;
}
#problem {
    height: auto;
    max-height: 3;
    padding: 0 1;
    color: $text-error;
    display: none;
}
#problem.shown {
    display: block;
}
#heading {
    height: 1;
    background: $panel;
}
#empty {
    height: 1fr;
    padding: 1 2;
    display: none;
}
#filter {
    display: none;
    height: 1;
    border: none;
    padding: 0 1;
    background: $boost;
}
#filter.shown {
    display: block;
}
.without-agents #agents, .without-agents #heading {
    display: none;
}
.without-agents #empty {
    display: block;
}
#details {
    height: auto;
    padding: 0 1;
}
#upper {
    height: auto;
    max-height: 60%;
    scrollbar-size-vertical: 1;
}
#log {
    height: 1fr;
    padding: 0 1;
    border-top: solid $primary;
    scrollbar-size-vertical: 1;
    scrollbar-background: $surface;
    background: $surface;
}
HelpScreen {
    align: center middle;
}
#help {
    width: 72;
    max-width: 100%;
    height: auto;
    max-height: 100%;
    padding: 1 2;
    border: round $primary;
    background: $surface;
}
"""
