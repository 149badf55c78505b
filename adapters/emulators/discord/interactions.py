"""Interactions: a command, a button or a form, the app's one answer, and what may follow.

An interaction must be answered within 3 seconds, else it is unknown (10062). Its token then works for 15 minutes for
follow-ups and edits; afterwards it is invalid (401, 50027). Before an answer the token's webhook is unknown (404,
10015). A second answer is refused (40060).
Source: Discord "Receiving and Responding to Interactions", docs of 2026-08-06; 10015/50027 as in discord-api-docs 6851.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from . import messages, payloads
from .components import custom_ids
from .drafts import Draft
from .errors import FormErrors, Json, form_error, refusal
from .events import Event
from .state import CHAT_COMMAND, CONTEXT_COMMAND, EPHEMERAL, LOADING, REPLY, Channel, Message, User, World

PING, COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 1, 2, 3, 4, 5
PONG, ANSWER, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 1, 4, 5, 6, 7, 8, 9
_ALLOWED = {
    COMMAND: (ANSWER, DEFER, MODAL),
    COMPONENT: (ANSWER, DEFER, DEFER_UPDATE, UPDATE, MODAL),
    AUTOCOMPLETE: (CHOICES,),
    MODAL_SUBMIT: (ANSWER, DEFER, DEFER_UPDATE, UPDATE),
}


@dataclass(slots=True)
class Interaction:
    """One interaction and everything that was answered to it."""

    id: int
    token: str
    type: int
    user: User
    channel: Channel
    created_at: float
    payload: Json
    message: Message | None = None  # the message whose component was used
    answer_type: int | None = None
    acked_at: float | None = None
    original: Message | None = None
    responses: list[Json] = field(default_factory=list)  # bodies of the callback and of every follow-up and edit
    messages: list[Message] = field(default_factory=list)  # made by this interaction, the original first
    choices: list[Json] | None = None
    modal: Json | None = None
    loading_since: float | None = None

    @property
    def acked_after(self) -> float | None:
        """Seconds until the app answered, None if it has not."""
        return None if self.acked_at is None else self.acked_at - self.created_at


class Interactions:
    """The interactions of one emulator, by id and by token."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_id: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    def add(self, interaction: Interaction) -> None:
        """Keep it and tell the app. INTERACTION_CREATE needs no intent."""
        self._by_id[interaction.id] = interaction
        self._by_token[interaction.token] = interaction
        self._world.hub.publish(Event("INTERACTION_CREATE", interaction.payload, interaction.channel.guild_id))

    def all(self) -> list[Interaction]:
        return list(self._by_id.values())

    def waiting(self, interaction_id: int, token: str) -> Interaction:
        """The interaction to answer now. Raises ApiError 10062 if unknown or too late, 40060 if answered."""
        one = self._by_id.get(interaction_id)
        if one is None or one.token != token:
            raise refusal(10062)
        if one.acked_at is not None:
            raise refusal(40060)
        if self._age(one) > self._world.limits.interaction_ack_s:
            raise refusal(10062)
        return one

    def by_token(self, application_id: int, token: str) -> Interaction:
        """The answered interaction of a webhook call. Raises ApiError 10015 or 50027."""
        one = self._by_token.get(token)
        if one is None or application_id != self._world.application_id:
            raise refusal(10015)
        if self._age(one) > self._world.limits.interaction_token_s:
            raise refusal(50027)
        if one.acked_at is None:
            raise refusal(10015)
        return one

    def _age(self, one: Interaction) -> float:
        return self._world.now() - one.created_at


def answer(world: World, one: Interaction, kind: int, body: Json, draft: Draft | None) -> None:
    """Give the one initial answer of type `kind`.

    `draft` is the message of ANSWER and UPDATE. Raises ApiError 50035 for a type this interaction cannot be answered
    with, 50006 for an empty message.
    """
    if kind not in _ALLOWED[one.type]:
        raise form_error(("type",), "BASE_TYPE_CHOICES", f"Value must be one of {{{_listed(one.type)}}}.")
    if kind in (DEFER_UPDATE, UPDATE) and one.message is None:
        raise form_error(("type",), "BASE_TYPE_CHOICES", f"Value must be one of {{{ANSWER}, {DEFER}}}.")
    data = body.get("data") or {}
    if kind == ANSWER:
        assert draft is not None
        _post(world, one, draft, 0)
    elif kind == DEFER:
        hidden = Draft(flags=int(data.get("flags") or 0) & EPHEMERAL)
        _post(world, one, hidden, LOADING)
        one.loading_since = world.now()
    elif kind == UPDATE:
        assert draft is not None and one.message is not None
        one.original = messages.edit_message(world, one.message, draft)
    elif kind == DEFER_UPDATE:
        one.original = one.message
    elif kind == CHOICES:
        one.choices = _checked_choices(data)
    else:
        one.modal = _checked_modal(data)
    one.answer_type, one.acked_at = kind, world.now()
    one.responses.append(body)
    world.hub.publish(Event("interaction_answered", {"id": str(one.id), "type": kind}, visible=False))


def original_of(one: Interaction) -> Message:
    """The message `@original` means. Raises ApiError 10008 if there is none or it is deleted."""
    if one.original is None or one.original.deleted:
        raise refusal(10008)
    return one.original


def message_of(one: Interaction, message_id: int) -> Message:
    """A message this interaction made. Raises ApiError 10008."""
    for message in [*one.messages, *([one.original] if one.original else [])]:
        if message.id == message_id and not message.deleted:
            return message
    raise refusal(10008)


def follow_up(world: World, one: Interaction, draft: Draft) -> Message:
    """Post a further message. The first one after a DEFER takes the place of the thinking message instead."""
    if one.original is not None and one.original.loading and not one.original.deleted:
        return edit(world, one.original, draft)
    return _post(world, one, draft, 0, following=True)


def edit(world: World, message: Message, draft: Draft) -> Message:
    """Edit one of an interaction's messages; the first edit ends "thinking" and does not count as an edit."""
    was_loading = message.loading
    flags = (message.flags if draft.flags is None else draft.flags | message.flags & EPHEMERAL) & ~LOADING
    if was_loading and draft.content is None and not (draft.embeds or draft.components or draft.attachments):
        raise refusal(50006)
    return messages.edit_message(world, message, replace(draft, flags=flags), stamp=not was_loading)


def metadata(one: Interaction) -> Json:
    """The `interaction_metadata` of messages this interaction makes."""
    body: Json = {
        "id": str(one.id),
        "type": one.type,
        "user": payloads.user(one.user),
        "authorizing_integration_owners": one.payload["authorizing_integration_owners"],
    }
    if one.message is not None:
        body["interacted_message_id"] = str(one.message.id)
    return body


def _post(world: World, one: Interaction, draft: Draft, flags: int, *, following: bool = False) -> Message:
    hidden = bool((draft.flags or 0) & EPHEMERAL)
    origin = messages.Origin(
        type=_message_type(one, following=following),
        interaction=metadata(one),
        webhook_id=world.application_id,
        ephemeral_for=one.user.id if hidden else None,
        flags=flags,
    )
    if (following and one.original is not None) or one.message is not None:
        target = one.original if following and one.original is not None else one.message
        assert target is not None
        reference = {"message_id": str(target.id), "channel_id": str(one.channel.id), "fail_if_not_exists": False}
        draft = replace(draft, reference=None if target.ephemeral else reference)
    message = messages.create_message(world, one.channel, world.bot, draft, origin)
    if not following:
        one.original = message
    one.messages.append(message)
    return message


def _message_type(one: Interaction, *, following: bool) -> int:
    if following or one.type != COMMAND:
        return REPLY
    return CHAT_COMMAND if one.payload["data"]["type"] == 1 else CONTEXT_COMMAND


def _listed(kind: int) -> str:
    return ", ".join(map(str, _ALLOWED[kind]))


def _checked_choices(data: Json) -> list[Json]:
    errors = FormErrors()
    choices = data.get("choices") or []
    if errors.length(("data", "choices"), choices, most=25):
        for index, one in enumerate(choices):
            errors.text(("data", "choices", index, "name"), one.get("name"), least=1, most=100, required=True)
    errors.done()
    return list(choices)


def _checked_modal(data: Json) -> Json:
    errors = FormErrors()
    errors.text(("data", "custom_id"), data.get("custom_id"), least=1, most=100, required=True)
    errors.text(("data", "title"), data.get("title"), least=1, most=45, required=True)
    if errors.length(("data", "components"), data.get("components"), least=1, most=5) and not custom_ids(
        data["components"]
    ):
        errors.required(("data", "components", 0, "components", 0, "custom_id"))
    errors.done()
    return dict(data)
