"""What ExtendScript, which is ECMAScript 3, does not understand in a script.

Duktape takes more than ES3, so syntax is looked for here and newer library is taken away there.
"""

import re

_TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<template>`)|(?P<word>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*)"
    r"|(?P<sign>=>|\.\.\.|\*\*|\?\?|\?\.(?!\d)|[^\s\w])|(?P<space>\s+)",
    re.DOTALL,
)
_WORDS = {
    "abstract", "boolean", "break", "byte", "case", "catch", "char", "class", "const", "continue",
    "debugger", "default", "delete", "do", "double", "else", "enum", "export", "extends", "final",
    "finally", "float", "for", "function", "goto", "if", "implements", "import", "in",
    "instanceof", "int", "interface", "long", "native", "new", "package", "private", "protected",
    "public", "return", "short", "static", "super", "switch", "synchronized", "this", "throw",
    "throws", "transient", "try", "typeof", "var", "void", "volatile", "while", "with", "null",
    "true", "false",
}  # fmt: skip
_NEWER = {"let", "const", "class", "async", "await", "yield", "of", "super", "import", "export"}
_LIBRARY = {
    "JSON", "Map", "Set", "Promise", "Symbol", "forEach", "map", "filter", "reduce", "some",
    "every", "trim", "bind", "isArray", "keys", "create", "defineProperty", "includes",
    "startsWith", "endsWith", "padStart", "repeat", "assign", "entries", "values", "find",
}  # fmt: skip


def problems(source: str) -> list[str]:
    """Return everything that is newer than ES3, with its line."""
    found: list[str] = []
    tokens = []
    line = 1
    for match in _TOKEN.finditer(source):
        kind, text = str(match.lastgroup), match[0]
        if kind not in {"comment", "space"}:
            tokens.append((kind, text, line))
        line += text.count("\n")
    for index, (kind, text, at) in enumerate(tokens):
        before = tokens[index - 1][1] if index else ""
        after = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        if kind == "template" or text in {"=>", "...", "**", "??", "?."}:
            found.append(f"{at}: {text}")
        elif kind == "word" and before == "." and (text in _WORDS or text in _LIBRARY):
            found.append(f"{at}: .{text}")
        elif kind == "word" and before != "." and text in _NEWER:
            found.append(f"{at}: {text}")
        elif kind == "word" and text in _WORDS and after == ":" and before in {"{", ","}:
            found.append(f"{at}: {text} as a name")
        elif kind == "word" and text in {"JSON", "Map", "Set", "Promise", "Symbol"}:
            found.append(f"{at}: {text}")
        elif kind == "word" and text in {"get", "set"} and before in {"{", ","} and after != ":":
            found.append(f"{at}: {text} accessor")
        elif text == "," and after in {"}", "]"}:
            found.append(f"{at}: comma at the end")
    return found
