"""The templates of pages."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def environment() -> Environment:
    """Every template; whatever came from a file is escaped."""
    return Environment(
        loader=PackageLoader("reports.formats", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def block_html(name: str, **values: object) -> Markup:
    """A block of a page."""
    return Markup(environment().get_template(f"{name}.html").render(values).strip())


def source(name: str) -> str:
    """A style sheet or script as it is."""
    env = environment()
    assert env.loader is not None
    return env.loader.get_source(env, name)[0]
