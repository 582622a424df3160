"""The site from what GitHub shows: MkDocs calls these functions, as mkdocs.yml says.

README is the first page, and a file of the source that a page links to is a page too.
"""

import posixpath
import re
import textwrap
from pathlib import Path

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
TOP = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
LANGUAGES = {".cff": "yaml", ".csv": "text"}
LINK = re.compile(r"(?<=\]\()([^)#:\s]+)(?=[)#])")

BADGES = re.compile(r"^\[!\[.*\n", re.MULTILINE)
FILE = re.compile(r"(?<=^```)(\w+) file=(\S+)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the top folder, and those of the source that pages link to."""
    for name, uri in TOP.items():
        files.append(File.generated(config, uri, content=(ROOT / name).read_text(encoding="utf-8")))
    for file in files.documentation_pages():
        if file.src_uri.endswith(".md"):
            for path in LINK.findall(file.content_string):
                linked = _linked(file.src_uri, path)
                if linked and _uri(linked).startswith("source/") and _uri(linked) not in files.src_uris:
                    files.append(File.generated(config, _uri(linked), content=_shown(linked)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links as those of the site, and its lists as Python-Markdown reads them."""

    def on_site(found: re.Match[str]) -> str:
        linked = _linked(page.file.src_uri, found[0])
        return posixpath.relpath(_uri(linked), posixpath.dirname(page.file.src_uri) or ".") if linked else found[0]

    markdown = BADGES.sub("", LINK.sub(on_site, markdown))
    return _indented(FILE.sub(r'\1 title="\2"', markdown))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A notebook with its links as those of the site; mkdocs-jupyter leaves them."""
    for path in re.findall(r'href="([^":#]+\.md)', html) if page.file.src_uri.endswith(".ipynb") else ():
        linked = files.get_file_from_path(posixpath.join(posixpath.dirname(page.file.src_uri), path))
        if linked:
            html = html.replace(f'href="{path}', f'href="{linked.url_relative_to(page.file)}')
    return html


def _linked(uri: str, link: str) -> str | None:
    """The file of the repository that a page of the site means by a link."""
    here = next((name for name, top in TOP.items() if top == uri), f"docs/{uri}")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(here), link))
    return path if not path.startswith("..") and (ROOT / path).is_file() else None


def _uri(path: str) -> str:
    """Where the site has a file of the repository."""
    if path in TOP:
        return TOP[path]
    if path.startswith("docs/") and not path.endswith((".py", ".json")):
        return path.removeprefix("docs/")
    return f"source/{path}.md"


def _shown(path: str) -> str:
    language = LANGUAGES.get(posixpath.splitext(path)[1], posixpath.splitext(path)[1][1:])
    return f"# {path}\n\n`````{language}\n{(ROOT / path).read_text(encoding='utf-8')}`````\n"


def _indented(markdown: str) -> str:
    """What lies in an item of a list, indented by 4 and not by 2, with a line of space before the next item."""
    lines, deeper, fence, starts = [""], 0, "", False
    for line in markdown.splitlines():
        text = line.lstrip()
        opens = re.match(r"`{3,}|~{3,}", text)
        if fence:
            fence = "" if text == fence else fence  # a block of code keeps its own indents
        else:
            deeper = len(line) - len(text)
            fence = opens[0] if opens else ""
            if text and not lines[-1]:
                starts = deeper > 0
            elif starts and re.match("- ", line):
                lines.append("")
        lines.append(" " * deeper + line if text else "")
    return "\n".join(lines[1:]) + "\n"


class Fields(griffe.Extension):
    """The fields that the docstring of a class describes, a paragraph of `name: text`, as the table that others get."""

    def on_class(self, *, cls: griffe.Class, **kwargs: object) -> None:
        """Title such paragraphs."""
        if cls.docstring:
            paragraphs = cls.docstring.value.split("\n\n")
            named = [text.partition(":")[0] in cls.members for text in paragraphs]
            cls.docstring.value = "\n\n".join(
                "Attributes:\n" + textwrap.indent(text, "    ") if is_named else text
                for text, is_named in zip(paragraphs, named, strict=True)
            )
