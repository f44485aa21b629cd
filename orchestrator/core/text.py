"""Text that is safe to show: names and messages of a database, connection strings without secrets."""

from __future__ import annotations

import codecs
import re
import sys
from io import TextIOWrapper

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

LONGEST_NAME = 200  # characters of a name that are shown

#: Characters that move a terminal's cursor, begin a new line or reorder what stands beside them: control characters,
#: line and paragraph separators, bidirectional embeddings, overrides and isolates. Surrogates cannot be encoded.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SECRETS = ("password", "sslpassword", "passfile", "oauth_client_secret", "scram_client_key", "scram_server_key")

#: What is written for our own typographic signs where the encoding does not have them.
_PLAIN = {"→": "->", "–": "-", "…": "...", "·": "|", "×": "x", "━": "-"}


def printable(text: str, keep: str = "") -> str:
    """Return *text* as one line, with every character escaped (``\\x1b``) that a terminal would act on.

    Characters in *keep* stay as they are: ``"\\n\\t"`` for text of several lines.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else found[0].encode("unicode_escape").decode(), text)


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """Return *text*, or its beginning and an ellipsis when it is longer than *longest* characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def capitalized(sentence: str) -> str:
    """Return *sentence* with a capital first letter, and the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def without_secrets(dsn: str) -> str:
    """Return the connection string *dsn* without passwords and keys; empty when it cannot be parsed."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.Error:
        return ""
    return make_conninfo("", **{name: value for name, value in given.items() if name not in _SECRETS})


def _encodable(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text), error.end


codecs.register_error("orchestrator", _encodable)


def never_fail_to_write() -> None:
    """Let standard output and error write any text in any encoding: with the signs of ``_PLAIN``, otherwise escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="orchestrator")
