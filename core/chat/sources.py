"""Sources: the list of links below an answer whose run says what it looked up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from core.agent.response import RunResponse

MOST_SOURCES = 10
_TITLE_WIDTH = 100
_URL_LENGTH = 1000
_PUNCTUATION = re.compile(r"([\\`*_~|])")
_ADDRESSES = ("url", "link", "uri", "source", "href")
_TITLES = ("title", "name")


def sources_of(response: RunResponse | None) -> str:
    """Markdown: the web pages among the references of a run, each once, in the order they were found; "" for none."""
    found: dict[str, str] = {}
    for document in _documents(response):
        url = _address(document)
        if url and url not in found:
            found[url] = _title(document, url)
    lines = [f"{number}. [{title}]({url})" for number, (url, title) in enumerate(found.items(), 1)]
    return "\n".join(["**Sources**", *lines[:MOST_SOURCES]]) if lines else ""


def _documents(response: RunResponse | None) -> Iterator[Mapping[str, Any]]:  # Any: what a tool has handed over
    """The documents, each with what stands in its `meta_data`, as Agno's have it."""
    extra = response.extra_data if response is not None else None
    for reference in (extra.references if extra is not None else None) or ():
        for document in reference.references or ():
            if isinstance(document, str):
                yield {"url": document}
            elif isinstance(document, Mapping):
                further = document.get("meta_data") or document.get("metadata")
                yield {**further, **document} if isinstance(further, Mapping) else document


def _address(document: Mapping[str, Any]) -> str:
    """An address of the web as it fits into a markdown link, "" if there is none."""
    for key in _ADDRESSES:
        url = document.get(key)
        if isinstance(url, str) and (address := web_address(url)):
            return address
    return ""


def web_address(url: str) -> str:
    """`url` as it fits into a markdown link, "" if it is none of the web."""
    fits = len(url) <= _URL_LENGTH and _is_of_the_web(url.strip())
    return quote(url.strip(), safe="/:?#@!$&'*+,;=%~[]-._") if fits else ""


def _is_of_the_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", url)


def _title(document: Mapping[str, Any], url: str) -> str:
    title = next((text for key in _TITLES if isinstance(text := document.get(key), str) and text.strip()), "")
    title = title.replace("[", "(").replace("]", ")")  # escaped, they could be read as the marks of a formula
    shown = " ".join(title.split()) or urlsplit(url).hostname or url
    shown = shown if len(shown) <= _TITLE_WIDTH else shown[: _TITLE_WIDTH - 1].rstrip() + "…"
    return _PUNCTUATION.sub(r"\\\1", shown)
