"""One object through a template: first as the type Docker gives it, then as the JSON it came as."""

from __future__ import annotations

from havre.cli.errors import CommandError
from havre.cli.format_typed import typed
from havre.client.jsontext import loads
from havre.lib.templates import Template, TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Docker's exit code for a template that cannot be read.
WRONG_TEMPLATE = 64


def through_template(source: str, *, raw: bool = True) -> Callable[[str, str], str]:
    """A function of an object's type (``format_types``) and its JSON text that gives the template's output.

    ``raw`` allows the second try, in which a field that is not there is an error. Both raise CommandError.
    """
    try:
        template = Template(source)
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}", WRONG_TEMPLATE) from error

    def through(type_name: str, text: str) -> str:
        try:
            value = loads(text)
        except ValueError as error:
            raise CommandError(f"unable to read inspect data: {error}") from error
        try:
            try:
                return template.execute(typed(type_name, value))
            except TemplateError:
                if not raw:
                    raise
            return template.execute(value, missing_is_error=True)
        except TemplateError as error:
            raise CommandError(f"template parsing error: {error}") from error

    return through
