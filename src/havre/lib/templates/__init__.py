"""Go's ``text/template`` as Docker's ``--format`` uses it: text with ``{{actions}}``, applied to a value. No I/O.

``Template(text).execute(value)`` gives the output. Values are what JSON gives (dict, list, str, int, float, bool,
None) and the typed ones of ``values``; see there how they stand for Go's. Whatever the template or the value, the only
error that comes out is ``TemplateError``, worded as Go words it.

The way of a template: ``lexer`` cuts it into tokens, ``parser`` builds ``nodes``, ``evaluator`` walks them, calling
``functions``, and ``printing`` writes values as Go's fmt does. Left out: complex numbers, channels and function values.
"""

from __future__ import annotations

from havre.lib.templates.evaluator import Template
from havre.lib.templates.values import List, Map, Nil, Number, Record, TemplateError

__all__ = ["List", "Map", "Nil", "Number", "Record", "Template", "TemplateError"]
