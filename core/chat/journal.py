"""Journal: what a Turn has done so far, as written into Redis for whoever may have to take it over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from core.replies import Attachment, Draft, MessageRef, Standing
from core.usage import Outcome, TurnUsage


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How a Turn ends. Once it is in the journal, only showing and sealing are left.

    text, notice, sources, footer, files: of the final Draft.  pointer: what is said of it to people who have written
    below it, "" for nothing.  history: what the Turn adds to the Session's history,
    None for nothing.  reset: the history is dropped instead.  usage: what goes into the ledger, None for a command.
    retry, rating: it can be asked for once more, and rated.
    """

    text: str
    notice: str
    outcome: Outcome
    history: str | None = None
    reset: bool = False
    usage: TurnUsage | None = None
    retry: bool = False
    sources: str = ""
    footer: str = ""
    rating: bool = False
    files: tuple[Attachment, ...] = ()
    pointer: str = ""

    def draft(self) -> Draft:
        """The final Draft."""
        return Draft(
            self.text,
            notice=self.notice,
            final=True,
            retry=self.retry,
            sources=self.sources,
            footer=self.footer,
            rating=self.rating,
            files=self.files,
        )


@dataclass(frozen=True, slots=True)
class Journal:
    """standing: what there is of its Reply.  grows_since: when its newest message came up, seconds since the epoch; of
    a Reply that takes the place of an earlier one, when that began.  pointer: the line that leads back to it.

    model, written: what is known of the run under way, which may end with its process: its model, and how many
    characters it had written when this was noted.  cut_written: those of earlier runs that did end so.
    """

    standing: Standing = field(default_factory=Standing)
    conclusion: Conclusion | None = None
    model: str = ""
    written: int = 0
    cut_written: int = 0
    grows_since: float = 0.0
    pointer: MessageRef | None = None

    def taken_over(self, now: float) -> Journal:
        """What was being written when the process ended is cut off now; with a conclusion, nothing was."""
        grows_since = self.grows_since or now  # 0: a version has noted it that did not know of this
        return replace(self, cut_written=self.cut_written + self.written, written=0, grows_since=grows_since)

    def with_run(self, model: str, written: int) -> Journal:
        return replace(self, model=model or self.model, written=written)

    @property
    def refs(self) -> tuple[MessageRef, ...]:
        return self.standing.refs

    def with_standing(self, standing: Standing, now: float) -> Journal:
        before = self.standing
        came_up = {*standing.refs, *standing.uploads.values()} - {*before.refs, *before.uploads.values()}
        return replace(self, standing=standing, grows_since=now if came_up else self.grows_since)

    def with_pointer(self, pointer: MessageRef) -> Journal:
        return replace(self, pointer=pointer)

    def with_conclusion(self, conclusion: Conclusion) -> Journal:
        return replace(self, conclusion=conclusion)

    def dump(self) -> dict[str, object]:
        dumped: dict[str, object] = _JOURNAL.dump_python(self, mode="json")
        return dumped

    @staticmethod
    def read(noted: Mapping[str, object]) -> Journal:
        """The journal that `dump` wrote; {} is that of a Turn which has shown nothing."""
        return _JOURNAL.validate_python(dict(noted))


_JOURNAL = TypeAdapter(Journal)
