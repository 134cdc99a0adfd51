"""The object that a program of another library tunes, as functions of a job, with the call that tunes it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from pipeline.adapters.program import Call, Program


class Adapter(ABC):
    """The object that a program tunes, as the functions of a job.

    Args:
        program: Returns its program; None for an object without one.
        name: Its name there; empty for what the program itself tunes.
        given: The object itself, without a program.
    """

    def __init__(self, program: Callable[[], Program] | None, name: str, given: Any = None) -> None:
        self._program_of, self._name, self._given = program, name, given

    @cached_property
    def program(self) -> Program | None:
        """The program."""
        return None if self._program_of is None else self._program_of()

    @cached_property
    def named(self) -> Any:
        """The object of that name in the program; None if there is none."""
        return None if self.program is None or not self._name else getattr(self.program.module, self._name, None)

    @cached_property
    def call(self) -> Call | None:
        """The call that starts the tuning; None if there is none, or if it tunes another object."""
        call = None if self.program is None else self.program.tuning_call()
        return call if call is None or not self._name or self.is_tuned_by(call) else None

    @abstractmethod
    def is_tuned_by(self, call: Call) -> bool:
        """Whether a call tunes the object with the name.

        Args:
            call: The call that ended the program.
        """

    @abstractmethod
    def fields(self, given: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """The fields of a job, as far as the object and the call define them.

        Args:
            given: Fields that the caller gives; they take precedence.
            subject: The object in words, for a message.

        Raises:
            InvalidJob: Something cannot be translated; names the line.
        """

    @property
    @abstractmethod
    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """The functions of the module that a study copies, by their names there, as functions of this process."""

    @property
    @abstractmethod
    def function_fields(self) -> Mapping[str, str | None]:
        """Fields of the job that are one of these functions, with its name; None for a field that must not be set."""

    @property
    def left_out(self) -> list[str]:
        """The settings of the program that the job does not have, a sentence each."""
        return []

    def is_complete(self, fields: Mapping[str, Any]) -> bool:
        """Whether a worker that imports the file has everything it needs.

        Args:
            fields: Fields of the job that the call in Python gives.
        """
        return True
