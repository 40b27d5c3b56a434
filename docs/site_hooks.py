"""MkDocs's steps beside copying pages: called by it, see ``mkdocs.yml``.

- A link to a file outside of ``docs/`` leads to a page with that file: Markdown as it is, programs
  as code, the notebooks of ``examples/`` run, with what their cells show.
- Below the table of a page of the reference come the signatures and docstrings of its names.
- ``<!-- picture: name.svg, what it shows -->`` becomes a picture that the page's own code draws.
- Each machine of ``benchmarks/`` has a page with the charts of its results.
- In the end every public name has a place on the site, and nothing comes from another server.
"""

from __future__ import annotations

import contextlib
import functools
import html
import io
import os
import posixpath
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))  # MkDocs runs a hook from its file alone
import machine_pages
import notebooks
import pictures
import reference_tables

from unitgain.benchmarks import machines

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)((?:#[^)\s]*)?)(?=\))")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"<!-- picture: ([\w.-]+), ([^>]+) -->")
LANGUAGES = {".py": "python", ".hpp": "cpp", ".cpp": "cpp", ".h": "c", ".toml": "toml"}
# The reference shows what these inherit: their methods are those of a base that is not public.
WITH_INHERITED = {"Model", "Functional"}

_outside: dict[str, str] = {}  # pages made of files outside of docs/: where each comes from


def page_of(path: str) -> str:
    """Return the page of a file or folder outside of ``docs/``, by its path in the repository."""
    if path == "CHANGELOG.md":
        return "changelog.md"
    if path.startswith("examples/"):
        return re.sub(r"\.py$", ".md", path)
    return f"source/{path}" if path.endswith(".md") else f"source/{path}.md"


def source_of(page: str) -> str:
    """Return the path in the repository of a page's text."""
    return _outside.get(page, f"docs/{page}")


def led(page: str, link: str) -> str:
    """Return where a link on a page leads to in the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(source_of(page)), link))


def is_page(target: str) -> bool:
    """Whether MkDocs knows a file by itself."""
    return target.startswith("docs/") and target.endswith((".md", ".png", ".svg", ".json"))


def text_of(path: str) -> str:
    """Return the page that shows a file or folder of the repository, as Markdown."""
    file = ROOT / path
    if file.is_dir():
        names = sorted(entry.name for entry in file.iterdir() if entry.suffix in LANGUAGES)
        return f"# {path}\n\n" + "\n".join(f"- `{name}`" for name in names) + "\n"
    text = file.read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    return f"# {path}\n\n````{LANGUAGES.get(file.suffix, 'text')}\n{text}````\n"


def links_of(page: str, markdown: str) -> list[str]:
    """Return where the links of a page lead to in the repository."""
    return [led(page, match[1]) for match in LINK.finditer(FENCE.sub("", markdown))]


def on_files(files: Files, config: Any) -> Files:
    """Add pages of what is linked to outside of ``docs/``, and the pictures that pages draw."""
    _outside.clear()
    texts = {f.src_uri: f.content_string for f in files.documentation_pages()}
    pending = ["CHANGELOG.md", *(f"examples/{f.name}" for f in (ROOT / "examples").glob("*.py"))]
    pending += [target for page, text in texts.items() for target in links_of(page, text)]
    while pending:
        path = pending.pop()
        if is_page(path) or page_of(path) in _outside or not (ROOT / path).exists():
            continue
        _outside[page_of(path)] = path
        if path.startswith("examples/") and path.endswith(".py"):
            add_notebook(path, files, config)
            continue
        text = text_of(path)
        files.append(File.generated(config, page_of(path), content=text))
        if path.endswith(".md"):
            pending += links_of(page_of(path), text)
    for page, text in texts.items():
        if PICTURE.search(text):
            add_pictures(page, text, files, config)
    for contents in machines.newest(machine_pages.FOLDER):
        for place, made in machine_pages.made(contents).items():
            files.append(File.generated(config, place, content=made))
    return files


def on_config(config: Any) -> None:
    """Put the machines' pages behind the page where they stand side by side."""
    [benchmarks] = (entry["Benchmarks"] for entry in config.nav if "Benchmarks" in entry)
    measured = machines.newest(machine_pages.FOLDER)
    benchmarks += [machine_pages.of_file(contents["file"]) for contents in measured]


def add_notebook(path: str, files: Files, config: Any) -> None:
    """Run a notebook of ``examples/``, and add the page that shows it."""
    book = notebooks.executed((ROOT / path).read_text(encoding="utf-8"))
    text, drawn = notebooks.as_markdown(book, Path(path).stem)
    files.append(File.generated(config, page_of(path), content=text))
    for name, picture in drawn.items():
        files.append(File.generated(config, place_of(page_of(path), name), content=picture))


def add_pictures(page: str, text: str, files: Files, config: Any) -> None:
    """Run a page's code, and add the pictures that it draws."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        try:
            pictures.run(ROOT / "docs" / page)
        finally:
            os.chdir(before)
        for name, _ in PICTURE.findall(text):
            drawn = (Path(folder) / name).read_bytes()
            files.append(File.generated(config, place_of(page, name), content=drawn))


def place_of(page: str, picture: str) -> str:
    """Return where the site keeps a picture of a page."""
    return posixpath.join(posixpath.dirname(page), picture)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links to the site's pages, show pictures, and ask for the reference's docstrings."""
    name = page.file.src_uri
    parts, end = [], 0
    for fence in FENCE.finditer(markdown):  # code stays as it is
        parts += [with_links(name, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    markdown = "".join([*parts, with_links(name, markdown[end:])])
    markdown = PICTURE.sub(r"![\2](\1)", markdown)
    if name == "benchmarks/machines.md":  # to the charts, which lead on to the results
        markdown = markdown.replace(".json)", ".md)")
    return with_docstrings(name, markdown) if name.startswith("reference/") else markdown


def with_links(page: str, text: str) -> str:
    """Return a page's text with links between pages of the site."""

    def leading(match: re.Match[str]) -> str:
        target = led(page, match[1])
        if is_page(target):
            target = target.removeprefix("docs/")
        elif page_of(target) in _outside:
            target = page_of(target)
        elif target.startswith("docs/") and (ROOT / target / "README.md").exists():
            target = f"{target.removeprefix('docs/')}/README.md"
        else:
            return match[0]  # a picture of the site; anything else is an error of MkDocs's
        return posixpath.relpath(target, posixpath.dirname(page) or ".") + match[2]

    return LINK.sub(leading, text)


@functools.cache
def described() -> dict[str, list[str]]:
    """Return the names that each page of the reference describes."""
    return {
        f"reference/{reference_tables.file_of(namespace).name}": [
            f"{reference_tables.full_name(namespace)}.{name}"
            for name in reference_tables.described(namespace)
        ]
        for namespace in reference_tables.NAMESPACES
    }


def with_docstrings(page: str, markdown: str) -> str:
    """Return a page of the reference with its names' docstrings below the table."""
    for full in described().get(page, []):
        short = full.rpartition(".")[2]
        markdown = markdown.replace(f"| `{short}` |", f"| [`{short}`][{full}] |")
        markdown += f"\n::: {full}\n"
        if short in WITH_INHERITED:
            markdown += "    options:\n      inherited_members: true\n"
    return markdown


def on_page_content(content: str, **_: Any) -> str:
    """Leave out the roles of docstrings (``:func:`` and its like), of which the code remains."""
    return re.sub(r":(?:func|class|meth|mod|data|attr):(?=<code>)", "", content)


def on_post_build(config: Any) -> None:
    """Check that every public name has a place, and that nothing comes from elsewhere."""
    site = Path(config.site_dir)
    for page, names in described().items():
        text = (site / page).with_suffix(".html").read_text(encoding="utf-8")
        if missing := [name for name in names if f'id="{html.escape(name)}"' not in text]:
            raise PluginError(f"{page} has no place for {', '.join(missing)}")
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if found := re.findall(
            r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//[^"]*', text
        ):
            raise PluginError(f"{page.relative_to(site)} loads from elsewhere: {found[0]}")
