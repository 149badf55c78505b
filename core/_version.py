"""Which version of Parley this is."""

from __future__ import annotations

__all__ = ["version"]


def version() -> str:
    """As it was installed; "0+unknown" for a checkout that was never installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("parley")
    except PackageNotFoundError:
        return "0+unknown"
