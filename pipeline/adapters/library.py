"""The description of a library whose programs tunepipe runs."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from pipeline.adapters.adapter import Adapter
from pipeline.adapters.program import Patches, Program, running as program_running


@dataclass(frozen=True, slots=True)
class Library:
    """A library whose programs become jobs.

    Args:
        name: Its name, as `--from` has it.
        search: The call that starts its search, for a message.
        patches: Makes a context in which that call ends the program.
        adapter: Makes the functions of a job from a program, a name and an object, as the class `Adapter` does.
        text: The module that a study copies; `{title}`, `{module}` and `{name}` are those of the program.
        prepare: Called with the given fields of the job before a program is run.
    """

    name: str
    search: str
    patches: Patches
    adapter: Callable[..., Adapter]
    text: str
    prepare: Callable[[Mapping[str, Any]], None] = lambda _: None

    def module_name(self, program: str) -> str:
        """The name of the module that a study copies.

        Args:
            program: The name of the program's module, which it imports.
        """
        return f"{program}_from_{self.name.replace('-', '_')}"

    def running(self, module: str) -> AbstractContextManager[Callable[[], Program]]:
        """A context in which a module is imported as a program of the library.

        Args:
            module: Its name.

        Returns:
            The context of a function that returns the program once it is imported.
        """
        return program_running(module, self.patches)
