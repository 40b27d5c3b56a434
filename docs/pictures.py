"""Draw the pictures of the guide's pages: run the pages' own code where the pages lie.

Run whenever a page's code, or what it draws, changes::

    python docs/pictures.py docs/guide/signals.md

Pictures of the site alone (``<!-- picture: ... -->``) are drawn while it is built.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(page: Path) -> None:
    """Run the code of a page in the current folder."""
    names = {"__name__": page.stem}
    for code in FENCE.findall(page.read_text(encoding="utf-8")):
        exec(compile(code, page, "exec"), names)


def main() -> None:
    """Run the pages that are named."""
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        os.chdir(page.parent)
        run(page)


if __name__ == "__main__":
    main()
