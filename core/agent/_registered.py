"""What is registered with an agent: its system prompts, instructions, result validators and tools."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, overload

from typing_extensions import TypeVar, Unpack

from core.agent._output import ResultSchema
from core.agent._prompts import Instructions, SystemPrompt, Validator
from core.agent.tools import AgentDepsT, RunContext, Tool, ToolOptions
from core.models.errors import UserError

__all__ = ["Registered"]

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
ValidatorFunction = TypeVar("ValidatorFunction", bound=Callable[..., Any])
P = ParamSpec("P")
T = TypeVar("T")
PromptFunction: TypeAlias = (
    Callable[[RunContext[AgentDepsT]], str]
    | Callable[[RunContext[AgentDepsT]], Awaitable[str]]
    | Callable[[], str]
    | Callable[[], Awaitable[str]]
)


class Registered(Generic[AgentDepsT]):
    """The part of an agent that its decorators write to. A run takes a copy of it when it starts."""

    _system_prompts: list[SystemPrompt]
    _instructions: list[Instructions]
    _validators: list[Validator]
    _function_tools: dict[str, Tool[AgentDepsT]]
    _result_schema: ResultSchema
    _retries: int

    @overload
    def system_prompt(self, func: PromptFunction[AgentDepsT], /) -> PromptFunction[AgentDepsT]: ...
    @overload
    def system_prompt(
        self, /, *, dynamic: bool = False
    ) -> Callable[[PromptFunction[AgentDepsT]], PromptFunction[AgentDepsT]]: ...
    def system_prompt(self, func: Callable[..., Any] | None = None, /, *, dynamic: bool = False) -> Any:
        """Register a function (of nothing, or of `RunContext`) that writes a system prompt.

        dynamic: write it anew in a conversation that goes on.
        """
        return self._decorate(func, lambda f: self._system_prompts.append(SystemPrompt(f, dynamic)))

    def instructions(self, func: PromptFunction[AgentDepsT], /) -> PromptFunction[AgentDepsT]:
        """Register a function (of nothing, or of `RunContext`) that writes instructions for each request."""
        self._instructions.append(SystemPrompt(func))
        return func

    def result_validator(self, func: ValidatorFunction, /) -> ValidatorFunction:
        """Register a function of ([RunContext,] data) that returns the data or raises `ModelRetry`."""
        self._validators.append(Validator(func))
        return func

    @overload
    def tool(
        self, func: Callable[Concatenate[RunContext[AgentDepsT], P], T], /
    ) -> Callable[Concatenate[RunContext[AgentDepsT], P], T]: ...
    @overload
    def tool(
        self, /, **options: Unpack[ToolOptions]
    ) -> Callable[
        [Callable[Concatenate[RunContext[AgentDepsT], P], T]], Callable[Concatenate[RunContext[AgentDepsT], P], T]
    ]: ...
    def tool(self, func: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
        """Register a function tool whose first parameter is a `RunContext`."""
        return self._decorate(func, lambda f: self._register(_tool(f, True, options)))

    @overload
    def tool_plain(self, func: AnyFunction, /, **options: Unpack[ToolOptions]) -> AnyFunction: ...
    @overload
    def tool_plain(self, /, **options: Unpack[ToolOptions]) -> Callable[[AnyFunction], AnyFunction]: ...
    def tool_plain(self, func: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
        """Register a function tool that does not need the `RunContext`."""
        return self._decorate(func, lambda f: self._register(_tool(f, False, options)))

    def _register(self, tool: Tool[AgentDepsT]) -> None:
        if tool.name in self._function_tools:
            raise UserError(f"Tool name conflicts with existing tool: {tool.name!r}")
        if tool.name in self._result_schema.tools:
            raise UserError(f"Tool name conflicts with result schema name: {tool.name!r}")
        if tool.max_retries is None:  # in a copy: the same tool may serve other agents
            tool = copy.copy(tool)
            tool.max_retries = self._retries
        self._function_tools[tool.name] = tool

    @staticmethod
    def _decorate(func: Callable[..., Any] | None, register: Callable[[Any], None]) -> Any:
        """`register` the function, as @decorator or as @decorator(...)."""

        def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
            register(function)
            return function

        return decorator if func is None else decorator(func)


def _tool(function: Callable[..., Any], takes_ctx: bool, options: ToolOptions) -> Tool[Any]:
    """A tool with the options of the decorators, whose `retries` is a tool's `max_retries`."""
    given: dict[str, Any] = {**options}
    return Tool(function, takes_ctx=takes_ctx, max_retries=given.pop("retries", None), **given)
