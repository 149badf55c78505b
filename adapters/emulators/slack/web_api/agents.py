"""assistant.threads.* and agents.sessions.*. Source: docs.slack.dev/reference/methods, those pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.emulators.slack.core import Status
from adapters.emulators.slack.errors import SlackError, invalid_arguments
from adapters.emulators.slack.limits import LOADING_MESSAGES, SESSION_TITLE, SUGGESTED_PROMPTS
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.workspace import Channel, Json

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

SESSION_STATES = frozenset({"active", "processing", "suspended", "closed"})


@method("assistant.threads.setStatus", "t5", "chat:write")
def set_status(core: Core, args: Args) -> Json:
    """Show a status under a thread until the app posts there, for two minutes at most; "" takes it away."""
    channel, thread_ts = _place(core, args)
    loading = args.json("loading_messages") or []
    if not isinstance(loading, list) or len(loading) > LOADING_MESSAGES:
        raise invalid_arguments(f"no more than {LOADING_MESSAGES} items allowed [json-pointer:/loading_messages]")
    status = args.text("status")
    if status:
        core.statuses[channel.id, thread_ts] = Status(status, core.now(), tuple(str(one) for one in loading))
    else:
        core.statuses.pop((channel.id, thread_ts), None)
    core.changed("status", channel.id, thread_ts)
    return {}


@method("assistant.threads.setTitle", "t4", "assistant:write")
def set_title(core: Core, args: Args) -> Json:
    channel, thread_ts = _place(core, args)
    title = args.require("title")
    core.titles[channel.id, thread_ts] = title
    core.changed("session", channel.id, thread_ts)
    return {}


@method("assistant.threads.setSuggestedPrompts", "t4", "assistant:write")
def set_suggested_prompts(core: Core, args: Args) -> Json:
    """Offer up to four prompts. With the agent surface a `thread_ts` makes Slack show nothing, without an error."""
    channel = args.channel(core, "channel_id")
    prompts = args.json("prompts")
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= SUGGESTED_PROMPTS:
        raise invalid_arguments(f"no more than {SUGGESTED_PROMPTS} items allowed [json-pointer:/prompts]")
    for prompt in prompts:
        if not isinstance(prompt, dict) or not prompt.get("title") or not prompt.get("message"):
            raise invalid_arguments("missing required field: message [json-pointer:/prompts]")
    thread_ts = args.text("thread_ts")
    if core.settings.agent_view and thread_ts:
        return {}
    if thread_ts and core.workspace.message(channel.id, thread_ts) is None:
        raise SlackError("invalid_thread_ts")
    core.prompts[channel.id, thread_ts] = prompts
    core.changed("session", channel.id, thread_ts or None)
    return {}


@method("agents.sessions.setStatus", "t3", "chat:write")
def set_session_status(core: Core, args: Args) -> Json:
    """Set where an agent session stands.

    An app that is not declared as an agent gets not_authorized too (kirodotdev/KiroCrew#9822, on a live workspace).
    Without a subscription to agent_session_stopped it is done with a warning, and people see no Stop button
    (docs.slack.dev/reference/events/agent_session_stopped).
    Raises invalid_status, thread_ts_required, not_authorized, user_not_found.
    """
    channel = args.channel(core, "channel_id")
    status, title, thread_ts = args.text("status"), args.text("title"), args.text("thread_ts")
    if status not in SESSION_STATES:
        raise SlackError("invalid_status")
    if core.bot.id not in channel.members or not core.settings.agent_view:
        raise SlackError("not_authorized")
    if not thread_ts:
        raise SlackError("thread_ts_required")
    if len(title) > SESSION_TITLE:
        raise invalid_arguments(f"must be less than {SESSION_TITLE + 1} characters [json-pointer:/title]")
    if args.text("initiator_user_id", core.bot.id) not in core.workspace.users:
        raise SlackError("user_not_found")
    place = (channel.id, thread_ts)
    core.sessions[place] = status
    if title:
        core.titles[place] = title
    core.changed("session", *place)
    answer: Json = {"status": status, "agent_status": status, "title": core.titles.get(place, "")}
    if "agent_session_stopped" not in core.settings.subscriptions:
        answer["warning"] = "missing_agent_session_stopped_event_subscription"
    return answer


@method("agents.sessions.rename", "t3", "chat:write")
def rename_session(core: Core, args: Args) -> Json:
    """Give a session another title. Raises session_not_found, thread_ts_required, invalid_arguments."""
    channel = args.channel(core, "channel_id")
    thread_ts, title = args.text("thread_ts"), args.require("title")
    if not thread_ts:
        raise SlackError("thread_ts_required")
    if (channel.id, thread_ts) not in core.sessions:
        raise SlackError("session_not_found")
    if len(title) > SESSION_TITLE:
        raise invalid_arguments(f"must be less than {SESSION_TITLE + 1} characters [json-pointer:/title]")
    core.titles[channel.id, thread_ts] = title
    core.changed("session", channel.id, thread_ts)
    return {"title": title}


def _place(core: Core, args: Args) -> tuple[Channel, str]:
    channel = args.channel(core, "channel_id")
    if core.bot.id not in channel.members:
        raise SlackError("channel_not_found", detail="Invalid channel_id")
    thread_ts = args.text("thread_ts")
    if core.workspace.message(channel.id, thread_ts) is None:
        raise SlackError("invalid_thread_ts", detail="Thread not found")
    return channel, thread_ts
