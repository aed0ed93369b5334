"""
Text in plots of matplotlib.

Names come from others. Matplotlib would read ``$`` as mathematics, a leading underscore as "not in the
legend", and, where the user has switched TeX on, everything as TeX.
"""

from __future__ import annotations

from typing import Any

from coder_agents.display.cells import short
from coder_agents.display.plot_style import drawable

MAX_LABEL = 40
"""
The maximal width of a name in a plot, in columns of a terminal.
"""


def plot_text(text: str, width: int = MAX_LABEL) -> str:
    """
    Return *text* as one line of at most *width* columns, which a plot shows as it is, as far as there are
    fonts for it.

    The text has to be drawn without TeX: see `without_tex`.
    """
    shown = drawable(short(text, width)).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def without_tex(*texts: Any) -> None:
    """
    Let matplotlib draw *texts* as they are, also where TeX is switched on.
    """
    for text in texts:
        text.set_usetex(False)
