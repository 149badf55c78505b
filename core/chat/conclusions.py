"""Conclusions: what the end of a run makes of its Turn. Values in, a Conclusion out."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.chat import codec, texts
from core.chat.costs import cost_of
from core.chat.files import HandedOver
from core.chat.journal import Conclusion
from core.chat.message import Message
from core.chat.pointing import words_about
from core.chat.progress import Progress
from core.chat.sources import sources_of
from core.chat.stop import StopReason, notice_of
from core.messages import ModelRequest, UserPromptPart
from core.usage import Outcome


@dataclass(frozen=True, slots=True)
class RunEnd:
    """What there is when a run has ended, however it did.

    progress: what the run has said.  payer: the Message whose author pays.  asked: its whole prompt.  given: the
    history that it was given, as stored, to estimate tokens that a provider did not report.  seconds: how long it
    took.  cut: as in `costs.cost_of`.  provider: whose prices the model has.  has_footer: model, time and cost are
    shown.
    """

    progress: Progress
    payer: Message
    asked: str
    given: str = ""
    seconds: float = 0.0
    cut: tuple[int, int] = (0, 0)
    provider: str = ""
    has_footer: bool = False
    files: HandedOver = field(default_factory=HandedOver)

    def answered(self) -> Conclusion:
        if not self.has_text:
            return self._failed(texts.EMPTY_ANSWER, remember=False)
        notice = texts.CUT_BY_LENGTH if self.progress.was_cut else ""
        return self._concluded("answered", notice, remember=True, pointer=words_about("answered"))

    def stopped(self, reason: StopReason | None, deadline_s: float) -> Conclusion:
        """A question that is gone and was not answered yet leaves nothing behind."""
        notice = notice_of(reason, deadline_s)
        if reason != "withdrawn":
            return self._concluded("stopped", notice, remember=True, pointer=words_about("stopped", reason))
        return self._concluded("stopped", notice if self.has_text else "", remember=self.has_text, retry=False)

    def failed(self, failure: BaseException, reference: str) -> Conclusion:
        """reference: finds the log line."""
        return self._failed(texts.failure(failure, reference), texts.worth_remembering(failure))

    def given_up(self) -> Conclusion:
        return self._failed(texts.GAVE_UP, remember=False)

    @property
    def has_text(self) -> bool:
        return bool(self.progress.text.strip())

    def _failed(self, notice: str, remember: bool) -> Conclusion:
        return self._concluded("failed", notice, remember, pointer=words_about("failed"))

    def _concluded(
        self, outcome: Outcome, notice: str, remember: bool, *, retry: bool = True, pointer: str = ""
    ) -> Conclusion:
        progress = self.progress
        new = progress.new_messages() if remember else []
        if not new and remember and outcome == "stopped":  # before it was run at all; it was asked all the same
            new = [ModelRequest(parts=[UserPromptPart(self.asked)])]
        usage = cost_of(self.payer, progress, self.provider, outcome, self.given + self.asked, self.seconds, self.cut)
        sources = sources_of(progress.with_references) if self.has_text else ""
        return Conclusion(
            progress.body,
            notice,
            outcome,
            history=codec.dump_turn(new) if new else None,
            usage=usage,
            retry=retry,
            sources="\n\n".join(filter(None, [*self.files.lines, sources])),
            footer=texts.footer(usage) if self.has_text and self.has_footer else "",
            rating=self.has_text and outcome == "answered",
            files=tuple(self.files.files),
            pointer=pointer,
        )
