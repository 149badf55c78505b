"""Question: what one Turn is to answer, and what is kept so that it can be answered once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter, ValidationError

from core.chat import codec
from core.chat.adapter import CommandName
from core.chat.earlier import quotation
from core.chat.journal import Journal
from core.chat.message import Message
from core.chat.verbs import verb_in
from core.replies import MessageRef
from core.sessions import Begun


@dataclass(frozen=True, slots=True)
class Record:
    """A Turn that has ended. number: its own.  messages: what it answered.  refs: the messages of its Reply.
    context: what stood before the question in its prompt.  uploads: the files of its Reply.  pointers: the line that
    leads back to it, if there is one."""

    number: int
    messages: tuple[Message, ...]
    refs: tuple[MessageRef, ...]
    context: str = ""
    uploads: tuple[MessageRef, ...] = ()
    pointers: tuple[MessageRef, ...] = ()

    def dump(self) -> str:
        return _RECORD.dump_json(self).decode()

    @staticmethod
    def load(text: str) -> Record | None:
        """None for "" and for what another version has written."""
        try:
            return _RECORD.validate_json(text) if text else None
        except ValidationError:
            return None

    def says(self, key: str) -> str | None:
        """The words of the Message that the platform knows by `key`."""
        return next((message.text for message in self.messages if key in message.keys), None)


_RECORD = TypeAdapter(Record)


@dataclass(frozen=True, slots=True)
class Question:
    """messages: what is to be answered, at least one.  refs: the messages of an earlier Reply that this answer takes
    the place of.  instead_of: the number of the Turn that had that Reply, None when this is asked the first time.
    context: what was said in the thread before we were called into it.  leftovers: what else stands there of that
    earlier Reply, to be taken away when the new one is complete."""

    messages: tuple[Message, ...]
    refs: tuple[MessageRef, ...] = ()
    instead_of: int | None = None
    context: str = ""
    leftovers: tuple[MessageRef, ...] = ()

    @staticmethod
    def read(begun: Begun) -> Question | None:
        """None when the Turn that is to be answered once more is not known any more. Raises ValueError for a letter
        that this version cannot read."""
        head = codec.load_letter(begun.letters[0].payload)
        if isinstance(head, Message):
            others = (codec.load_letter(letter.payload) for letter in begun.letters[1:])
            return Question((head, *(other for other in others if isinstance(other, Message))))
        record = Record.load(begun.last)
        if record is None or record.number > begun.number:
            return None
        messages = tuple(
            replace(message, text=head.text) if head.key and head.key in message.keys else message
            for message in record.messages
        )
        others = (codec.load_letter(letter.payload) for letter in begun.letters[1:])
        steered = tuple(other for other in others if isinstance(other, Message))
        leftovers = (*record.uploads, *record.pointers)
        return Question((*messages, *steered), record.refs, record.number, record.context, leftovers)

    def record(self, number: int, journal: Journal) -> Record:
        """What is kept of Turn `number`, which answered this as `journal` says."""
        uploads = tuple(journal.standing.uploads.values())
        pointers = (journal.pointer,) if journal.pointer else ()
        return Record(number, self.messages, journal.refs, self.context, uploads, pointers)

    @property
    def first(self) -> Message:
        return self.messages[0]

    @property
    def verb(self) -> CommandName | None:
        return verb_in(self.first.text) if len(self.messages) == 1 else None

    def prompt(self, starter: str) -> str:
        return self.context + "\n\n".join(spoken(message, starter) for message in self.messages)


def spoken(message: Message, starter: str) -> str:
    """The words, below those that they answer; in a thread of several people, with the name of whoever did not begin
    it."""
    author = message.author
    above = quotation(message.quoted) if message.quoted else ""
    if starter in ("", author.user_id):
        return above + message.text
    return f"{above}[{author.name or author.user_id}] {message.text}"


def place_keys(refs: Sequence[MessageRef]) -> list[str]:
    """The messages of a Reply as the platform names them in its events; see `Message.keys`."""
    return [f"{ref.channel}:{ref.message}" for ref in refs]
