"""Draw the pictures of the guide's pages: run the pages' own code where the pages lie.

Run whenever a page's code, or what it draws, changes::

    python docs/pictures.py docs/guide/signals.md
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the pages that are named."""
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        os.chdir(page.parent)
        names = {"__name__": page.stem}
        for code in FENCE.findall(page.read_text(encoding="utf-8")):
            exec(compile(code, page, "exec"), names)


if __name__ == "__main__":
    main()
