"""Uploading in three steps: getUploadURLExternal, a POST to that address, completeUploadExternal.

Source: docs.slack.dev/messaging/working-with-files.
"""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

from adapters.emulators.slack import posting
from adapters.emulators.slack.errors import SlackError, invalid_arguments
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.web_api.chat import may_post
from adapters.emulators.slack.workspace import Json, Message, StoredFile

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core


@method("files.getUploadURLExternal", "t4", "files:write")
def get_upload_url(core: Core, args: Args) -> Json:
    """Announce a file and get the address to post its bytes to."""
    name, length = args.require("filename"), args.number("length", 0)
    if length <= 0:
        raise invalid_arguments("must be greater than 0 [json-pointer:/length]")
    file = new_file(core, name, length, core.bot.id)
    return {"upload_url": f"{core.base_url}/upload/v1/{file.id}", "file_id": file.id}


@method("files.completeUploadExternal", "t4", "files:write")
def complete_upload(core: Core, args: Args) -> Json:
    """Finish uploads and share them as one message. Raises file_not_found, channel_not_found, not_in_channel."""
    wanted = args.json("files")
    if not isinstance(wanted, list) or not wanted:
        raise invalid_arguments("missing required field: files")
    files: list[StoredFile] = []
    for item in wanted:
        file = core.workspace.files.get(str(item.get("id"))) if isinstance(item, dict) else None
        if file is None or len(file.content) != file.length:
            raise SlackError("file_not_found")
        files.append(core.workspace.put_file(file, complete=True, title=str(item.get("title") or file.name)))
    names = args.words("channels") or args.words("channel_id")
    for channel_id in names:
        _share(core, Args({**args.values, "channel": channel_id}), files)
    return {"files": [file_json(core, file) for file in files]}


@method("files.info", "t4", "files:read")
def file_info(core: Core, args: Args) -> Json:
    """Return one file. Raises file_not_found."""
    file = core.workspace.files.get(args.text("file"))
    if file is None or not file.complete:
        raise SlackError("file_not_found")
    return {"file": file_json(core, file), "comments": []}


@method("files.delete", "t3", "files:write")
def delete_file(core: Core, args: Args) -> Json:
    """Delete a file; a message that showed nothing else goes with it. Raises file_not_found, cant_delete_file."""
    file = core.workspace.files.get(args.text("file"))
    if file is None or not file.complete:
        raise SlackError("file_not_found")
    if file.user != core.bot.id:
        raise SlackError("cant_delete_file")
    del core.workspace.files[file.id]
    for channel in list(core.workspace.channels):
        for message in core.workspace.messages(channel):
            if [one["id"] for one in message.files] == [file.id] and not message.text:
                posting.delete(core, message)
    return {}


def _share(core: Core, args: Args, files: list[StoredFile]) -> None:
    channel = args.channel(core)
    may_post(core, channel)
    ts, text = core.workspace.new_ts(core.now()), args.text("initial_comment")
    message = Message(channel.id, ts, core.bot.id, text, thread_ts=args.thread(core, channel), subtype="file_share")
    message.bot_id, message.app_id = core.bot.bot_id, core.bot.app_id
    message.files = [file_json(core, file) for file in files]
    posting.post(core, message, core.parsing("none", False))


def new_file(core: Core, name: str, length: int, user: str, content: bytes = b"") -> StoredFile:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    file = StoredFile(core.workspace.new_id("F"), name, length, content, name, user, bool(content), kind)
    return core.workspace.put_file(file)


def file_json(core: Core, file: StoredFile) -> Json:
    """Return a file object with addresses on this emulator, which ask for the bot token as Slack's do."""
    suffix = file.name.rsplit(".", 1)[-1] if "." in file.name else "txt"
    place = f"{core.base_url}/files-pri/{core.identity.team_id}-{file.id}"
    now = int(core.now())
    body: Json = {"id": file.id, "created": now, "timestamp": now, "name": file.name, "title": file.title}
    body |= {"mimetype": file.mimetype, "filetype": suffix, "pretty_type": suffix.upper(), "user": file.user}
    body |= {"editable": False, "size": file.length, "mode": "hosted", "is_external": False, "external_type": ""}
    body |= {"is_public": False, "public_url_shared": False, "display_as_bot": False, "username": ""}
    body |= {"url_private": f"{place}/{file.name}", "url_private_download": f"{place}/download/{file.name}"}
    return body | {"permalink": f"{place}/{file.name}", "has_rich_preview": False, "user_team": core.identity.team_id}
