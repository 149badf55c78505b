"""Answering interactions, and the webhook of their token.

Source: Discord "Receiving and Responding to Interactions: Endpoints", docs of 2026-08-06. These routes need no bot
token and do not count to the global limit.
"""

from __future__ import annotations

from .. import interactions, messages, payloads
from ..drafts import Draft
from ..errors import FormErrors, Json, refusal
from ..interactions import ANSWER, CHOICES, MODAL, UPDATE, Interaction
from ..state import Message
from ._routes import Answer, Call, Route, Service, no_content, ok


def callback(service: Service, call: Call) -> Answer:
    """The one answer. 204, or with `?with_response=true` what came of it."""
    one = service.interactions.waiting(call.id("interaction_id"), call.args["token"])
    body = call.json()
    errors = FormErrors()
    if not isinstance(body.get("type"), int):
        errors.required(("type",))
    errors.done()
    kind = int(body["type"])
    draft = None
    if kind in (ANSWER, UPDATE):
        data = body.get("data") or {}
        old = one.message if kind == UPDATE else None
        draft = Draft.parse(service.world, data, call.files, old=old, ephemeral_allowed=True)
    interactions.answer(service.world, one, kind, body, draft)
    if call.query.get("with_response", "").lower() not in ("true", "1"):
        return no_content()
    return ok(_response(service, one, kind))


def _response(service: Service, one: Interaction, kind: int) -> Json:
    told: Json = {"id": str(one.id), "type": one.type}
    resource: Json = {"type": kind}
    if one.original is not None and kind not in (CHOICES, MODAL):
        told |= {
            "response_message_id": str(one.original.id),
            "response_message_loading": one.original.loading,
            "response_message_ephemeral": one.original.ephemeral,
        }
        resource["message"] = payloads.message(service.world, one.original)
    return {"interaction": told, "resource": resource} if kind not in (CHOICES, MODAL) else {"interaction": told}


def follow_up(service: Service, call: Call) -> Answer:
    one = _interaction(service, call)
    draft = Draft.parse(service.world, call.json(), call.files, ephemeral_allowed=True)
    message = interactions.follow_up(service.world, one, draft)
    one.responses.append(call.json())
    return ok(payloads.message(service.world, message))


def get(service: Service, call: Call) -> Answer:
    return ok(payloads.message(service.world, _message(service, call)))


def edit(service: Service, call: Call) -> Answer:
    message = _message(service, call)
    _refuse_archived(service, message)
    draft = Draft.parse(service.world, call.json(), call.files, old=message)
    interactions.edit(service.world, message, draft)
    _interaction(service, call).responses.append(call.json())
    return ok(payloads.message(service.world, message))


def delete(service: Service, call: Call) -> Answer:
    message = _message(service, call)
    messages.delete_message(service.world, message)
    return no_content()


def _interaction(service: Service, call: Call) -> Interaction:
    return service.interactions.by_token(call.id("application_id"), call.args["token"])


def _message(service: Service, call: Call) -> Message:
    one = _interaction(service, call)
    if call.args.get("message_id", "@original") == "@original":
        return interactions.original_of(one)
    return interactions.message_of(one, call.id("message_id"))


def _refuse_archived(service: Service, message: Message) -> None:
    channel = service.world.channels.get(message.channel_id)
    if channel is None:
        raise refusal(10008)
    if channel.thread and channel.thread.archived:
        raise refusal(50083)


_HOOK = "/webhooks/{application_id}/{token}"
ROUTES = [
    Route("POST", "/interactions/{interaction_id}/{token}/callback", callback, "webhook:callback", "token", True),
    Route("POST", _HOOK, follow_up, "webhook:post", "token", True),
    Route("GET", _HOOK + "/messages/{message_id}", get, "webhook:get", "token", True),
    Route("PATCH", _HOOK + "/messages/{message_id}", edit, "webhook:edit", "token", True),
    Route("DELETE", _HOOK + "/messages/{message_id}", delete, "webhook:delete", "token", True),
]
