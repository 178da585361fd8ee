"""Limits on what a result shows, where the caller asks for some."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ._errors import refused

_STREAMS = ("stdout", "stderr")


def checked(name: str, value: Any, least: int) -> int | None:
    """A limit that the caller gave.

    Raises ``PyroInputError`` if it is none.
    """
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise refused(name, f"it must be a whole number of at least {least}, got {value!r}")
    return value


def shorten_streams(execution: dict[str, Any], max_chars: int) -> None:
    """Leaves the beginning and the end of each stream, and says what is missing between them."""
    for stream in _STREAMS:
        text = execution[stream]
        if len(text) <= max_chars:
            continue
        info = execution[f"{stream}_info"]
        tail_chars = max_chars // 2
        head, tail = text[: max_chars - tail_chars], text[len(text) - tail_chars :]
        omitted = len(text.encode()) - len(head.encode()) - len(tail.encode())
        info["truncated"] = True
        info["omitted_bytes"] += omitted
        info["stored_bytes"] = max(0, info["stored_bytes"] - omitted)
        execution[stream] = f"{head}\n[… {info['omitted_bytes']} bytes omitted …]\n{tail}"


def page_of(listing: dict[str, Any], limit: int | None, page: str | None) -> None:
    """Leaves the part of a list of workspaces that follows a page, or begins it.

    What is used meanwhile moves to the front: it is not shown again, and nothing is shown twice.
    """
    workspaces = listing["workspaces"]
    # The last used first, those used at the same time by their ids: the sort by ids stays where times are equal.
    workspaces.sort(key=lambda workspace: str(workspace["workspace_id"]))
    workspaces.sort(key=_last_used, reverse=True)
    if page is not None:
        last_used, workspace_id = _place(page)
        workspaces = [
            workspace
            for workspace in workspaces
            if _last_used(workspace) < last_used
            or (_last_used(workspace) == last_used and workspace["workspace_id"] > workspace_id)
        ]
    if limit is not None and len(workspaces) > limit:
        workspaces = workspaces[:limit]
        last = workspaces[-1]
        place = f"{_last_used(last)} {last['workspace_id']}"
        listing["next_page"] = base64.urlsafe_b64encode(place.encode()).decode()
    listing["workspaces"] = workspaces
    listing["count"] = len(workspaces)


def _last_used(workspace: dict[str, Any]) -> str:
    return workspace["last_activity_at"] or ""


def _place(page: Any) -> tuple[str, str]:
    try:
        last_used, separator, workspace_id = base64.urlsafe_b64decode(page).decode().partition(" ")
        if separator:
            return last_used, workspace_id
    except (TypeError, ValueError, binascii.Error):
        pass
    raise refused("page", "it must be what `next_page` said")
