"""
How Sphinx builds these pages and runs their examples.
"""

from __future__ import annotations

import builtins
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "extensions")]

import local_kernels  # noqa: E402

from coder_agents._version import __version__  # noqa: E402

project = "coder_agents"
author = "The coder_agents authors"
copyright = f"2026, {author}"  # noqa: A001
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "matplotlib.sphinxext.plot_directive",
    "myst_nb",  # includes myst_parser
    "sphinx_copybutton",
    "attrs_signatures",
    "command_line",
    "docstring_sections",
    "exception_links",
    "metrics_table",
    "public_names",
    "readme_examples",
]
# The tables are parts of other pages.
exclude_patterns = ["_build", "_generated", "extensions", "*_table.rst", "soak_report.rst"]
html_theme = "furo"
html_title = f"coder_agents {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False

# Quotes and dashes stay as they are, so that commands in a text can be copied.
smartquotes = False

# The copy button copies input: neither prompts, nor what an example prints.
copybutton_selector = ":not(.highlight-none):not(.output) > div.highlight > pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Each notebook is run, and a cell that raises, or writes to standard error, fails the build.
os.environ["CODER_AGENTS_PROGRESS"] = "0"  # nobody is watching
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_output_stderr = "error"
nb_merge_streams = True
local_kernels.listen_in_file_system()

# Docstrings keep the order of the source and write arguments in *asterisks*.
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 110
add_module_names = False

default_role = "py:obj"

# Every other reference has to lead somewhere. These lead into other projects, whose inventories the
# build would have to fetch, or are type variables, which have no page.
_elsewhere = (
    "abc|attrs|collections|concurrent|datetime|email|enum|fsspec|http|itertools|logging|os|pandas|pathlib|pickle"
    "|prometheus_client|pyarrow|pytest|re|requests|ssl"
    "|subprocess|types|typing|uuid"
)
nitpick_ignore_regex = [
    (r"py:.*", rf"({_elsewhere})(\..*)?"),
    (r"py:.*", "|".join(name for name in dir(builtins) if name.isidentifier())),
    (r"py:class", r"(coder_agents\..*\.|~)?[A-Z]"),
    # Aliases that the argument's description spells out, and a name that annotations leave short.
    (
        r"py:class",
        "Axes|Cert|Command|Data|DataFrame|Executor|File|FilePath|Input|LogLevelName|OnReconnect|Progress|Target|Timeout|Which|timedelta",
    ),
    # What only those who read the embedded deployment's source meet.
    (r"py:.*", r"ConnectionEnded|KINDS|coder_agents\.testing(\.\w+){2,3}"),
]

# An annotation such as type[T] is taken for a field of that name, of which there are several.
suppress_warnings = ["ref.python"]

# The plots of the gallery are drawn in each build.
plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False

# Every example meets a fresh embedded deployment, named by the environment as a real one would be.
doctest_global_setup = "from embedded import start, stop; deployment, agent_id = start()"
doctest_global_cleanup = "stop()"
