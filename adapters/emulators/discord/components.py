"""What Discord refuses in message components and embeds.

Sources: Discord "Component Reference" and "Message: Embed Limits", docs of 2026-08-06; sizes also from the official
OpenAPI description.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .errors import FormErrors, Json

ROW, BUTTON, SELECT, TEXT_INPUT = 1, 2, 3, 4
SELECTS = (3, 5, 6, 7, 8)
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER, LABEL = 9, 10, 11, 12, 13, 14, 17, 18
_V2_TOP = (ROW, SECTION, TEXT_DISPLAY, GALLERY, FILE, SEPARATOR, CONTAINER)
_LINK_STYLE, _PREMIUM_STYLE = 5, 6
Path = tuple[str | int, ...]


def check_components(components: Any, errors: FormErrors, *, v2: bool) -> None:
    """Look through the `components` of a message; everything wrong goes into `errors`."""
    path: Path = ("components",)
    if not errors.length(path, components, most=40 if v2 else 5):
        return
    for index, one in enumerate(components):
        kind = one.get("type") if isinstance(one, dict) else None
        allowed = _V2_TOP if v2 else (ROW,)
        if kind not in allowed:
            errors.choices((*path, index, "type"), ", ".join(map(str, allowed)))
            continue
        _check(one, (*path, index), errors)
    _check_whole(components, errors, v2=v2)


def each(components: Any) -> Iterator[Json]:
    """Every component of a tree, parents first."""
    for one in components if isinstance(components, list) else ():
        if not isinstance(one, dict):
            continue
        yield one
        yield from each(one.get("components"))
        yield from each([one[key] for key in ("accessory", "component") if one.get(key)])


def custom_ids(components: Any) -> list[str]:
    return [str(one["custom_id"]) for one in each(components) if one.get("custom_id")]


def numbered(components: list[Json]) -> list[Json]:
    """The components as Discord gives them back: each with an `id`, 1 upwards where the request gave none."""
    copies = [_copied(one) for one in components]
    taken = {one["id"] for one in each(copies) if one.get("id")}
    following = 1
    for one in each(copies):
        if not one.get("id"):
            while following in taken:
                following += 1
            one["id"] = following
            taken.add(following)
    return copies


def _copied(one: Json) -> Json:
    copy = dict(one)
    if isinstance(copy.get("components"), list):
        copy["components"] = [_copied(child) for child in copy["components"]]
    for key in ("accessory", "component"):
        if isinstance(copy.get(key), dict):
            copy[key] = _copied(copy[key])
    return copy


def _check_whole(components: Any, errors: FormErrors, *, v2: bool) -> None:
    seen: set[str] = set()
    for custom_id in custom_ids(components):
        if custom_id in seen:
            text = f"Component custom id cannot be duplicated: {custom_id}"
            errors.add(("components",), "COMPONENT_CUSTOM_ID_DUPLICATED", text)
        seen.add(custom_id)
    if not v2:
        return
    every = list(each(components))
    if len(every) > 40:
        errors.add(("components",), "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", "Must be 40 or fewer in total.")
    total = sum(len(str(one.get("content") or "")) for one in every if one.get("type") == TEXT_DISPLAY)
    if total > 4000:
        text = "Total displayable text must be 4000 or fewer in length."
        errors.add(("components",), "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", text)


def _check(one: Json, path: Path, errors: FormErrors) -> None:
    kind = one.get("type")
    if kind == ROW:
        _check_row(one, path, errors)
    elif kind == BUTTON:
        _check_button(one, path, errors)
    elif kind in SELECTS:
        _check_select(one, path, errors)
    elif kind == TEXT_DISPLAY:
        errors.text((*path, "content"), one.get("content"), least=1, most=4000, required=True)
    elif kind == SECTION:
        if errors.length((*path, "components"), one.get("components"), least=1, most=3):
            _check_children(one["components"], (*path, "components"), errors)
        if not isinstance(one.get("accessory"), dict):
            errors.required((*path, "accessory"))
        else:
            _check(one["accessory"], (*path, "accessory"), errors)
    elif kind == CONTAINER:
        if errors.length((*path, "components"), one.get("components"), least=1, most=40):
            _check_children(one["components"], (*path, "components"), errors)
    elif kind == GALLERY:
        errors.length((*path, "items"), one.get("items"), least=1, most=10)


def _check_children(children: list[Json], path: Path, errors: FormErrors) -> None:
    for index, child in enumerate(children):
        _check(child, (*path, index), errors)


def _check_row(row: Json, path: Path, errors: FormErrors) -> None:
    children = row.get("components")
    if not errors.length((*path, "components"), children, least=1, most=5):
        return
    assert isinstance(children, list)
    if any(child.get("type") in SELECTS for child in children) and len(children) > 1:
        text = "The specified component exceeds the maximum width"
        errors.add((*path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", text)
    _check_children(children, (*path, "components"), errors)


def _check_button(button: Json, path: Path, errors: FormErrors) -> None:
    style = button.get("style")
    if style not in range(1, 7):
        errors.choices((*path, "style"), "1, 2, 3, 4, 5, 6")
    errors.text((*path, "label"), button.get("label"), most=80)
    if style == _LINK_STYLE:
        errors.text((*path, "url"), button.get("url"), least=1, most=512, required=True)
    elif style != _PREMIUM_STYLE:
        errors.text((*path, "custom_id"), button.get("custom_id"), least=1, most=100, required=True)
    if style == _LINK_STYLE and button.get("custom_id"):
        text = "A custom id and url cannot both be specified"
        errors.add((*path, "custom_id"), "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", text)
    if style != _PREMIUM_STYLE and not button.get("label") and not button.get("emoji"):
        errors.required((*path, "label"))


def _check_select(select: Json, path: Path, errors: FormErrors) -> None:
    errors.text((*path, "custom_id"), select.get("custom_id"), least=1, most=100, required=True)
    errors.text((*path, "placeholder"), select.get("placeholder"), most=150)
    if select["type"] != SELECT:
        return
    options = select.get("options")
    if not errors.length((*path, "options"), options, least=1, most=25):
        return
    assert isinstance(options, list)
    for index, option in enumerate(options):
        at = (*path, "options", index)
        errors.text((*at, "label"), option.get("label"), least=1, most=100, required=True)
        errors.text((*at, "value"), option.get("value"), least=1, most=100, required=True)
        errors.text((*at, "description"), option.get("description"), most=100)
    if len({option.get("value") for option in options}) < len(options):
        text = "The specified option value is already used"
        errors.add((*path, "options"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", text)


_EMBED_SIZES = (("title", 256), ("description", 4096))


def check_embeds(embeds: Any, errors: FormErrors) -> None:
    """Look through the `embeds` of a message: at most 10, sizes per field, 6000 characters over all."""
    path: Path = ("embeds",)
    if not errors.length(path, embeds, most=10):
        return
    for index, embed in enumerate(embeds):
        _check_embed(embed, (*path, index), errors)
    if sum(_embed_size(embed) for embed in embeds) > 6000:
        errors.add(path, "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def _check_embed(embed: Json, path: Path, errors: FormErrors) -> None:
    for key, most in _EMBED_SIZES:
        errors.text((*path, key), embed.get(key), most=most)
    errors.text((*path, "footer", "text"), (embed.get("footer") or {}).get("text"), most=2048)
    errors.text((*path, "author", "name"), (embed.get("author") or {}).get("name"), most=256)
    links = [("url", embed.get("url"))]
    links += [(key, (embed.get(key) or {}).get("url")) for key in ("image", "thumbnail", "author")]
    for key, url in links:
        if url and not str(url).startswith(("http://", "https://", "attachment://")):
            text = f"Scheme \"{str(url).partition(':')[0]}\" is not supported. Scheme must be one of ('http', 'https')."
            errors.add((*path, key), "URL_TYPE_INVALID_SCHEME", text)
    fields = embed.get("fields") or []
    if errors.length((*path, "fields"), fields, most=25):
        for index, one in enumerate(fields):
            errors.text((*path, "fields", index, "name"), one.get("name"), least=1, most=256, required=True)
            errors.text((*path, "fields", index, "value"), one.get("value"), least=1, most=1024, required=True)


def _embed_size(embed: Json) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    texts += [one.get(key) for one in embed.get("fields") or [] for key in ("name", "value")]
    return sum(len(text) for text in texts if isinstance(text, str))
