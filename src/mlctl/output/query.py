"""`--query`: JMESPath on the result before it is formatted, with az's exit codes."""

from __future__ import annotations

from typing import Any

from mlctl.errors import MlctlError, UsageError


class QueryFailedError(MlctlError):
    """A well-formed expression that does not fit the result (exit 1, as az)."""

    code = "query"


def check_query(expression: str) -> Any:
    """The compiled expression. Raises UsageError when it is malformed, so that nothing runs for a typing error."""
    import jmespath

    try:
        return jmespath.compile(expression)
    except (jmespath.exceptions.ParseError, jmespath.exceptions.LexerError) as error:
        # the library's own text quotes the expression and draws a caret below the bad place
        raise UsageError(f"--query is no JMESPath expression: {error}", hint="see https://jmespath.org") from error


def apply_query(compiled: Any, value: Any) -> Any:
    """The expression's value on plain data; None when nothing matches. Multi-select maps keep their written order.

    Raises QueryFailedError for a type error, such as `length` of a number.
    """
    import jmespath

    try:
        return compiled.search(value)
    except jmespath.exceptions.JMESPathError as error:
        raise QueryFailedError(f"--query does not fit the result: {error}") from error
