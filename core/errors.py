"""Errors that an operator must act on. Each is one line: the setting, what is wrong with it, where to get it right.

ConfigError            a setting or an account is wrong: the start stops, nothing is retried
StoreUnavailable       Redis does not answer: nothing was taken in, the platform should deliver again
"""


class ConfigError(Exception):
    """The start cannot go on. `setting` is the name to look at; the text never holds a secret's value."""

    def __init__(self, setting: str, problem: str, remedy: str = "") -> None:
        self.setting = setting
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{setting}: {problem}" + (f" {remedy}" if remedy else ""))


class StoreUnavailable(Exception):
    """Redis could not be reached within the bound; what was asked has not certainly happened."""
