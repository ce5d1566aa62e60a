"""Stops 2 to 12 of 12. The command line: verbs, and how every run ends.

Takes arguments; gives an exit code of errors.py. An exception of patchctl becomes one line: where, what,
and what to try. Next: patchctl/cli/build.py
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, cast

import typer

from patchctl.cli import build, console, device, keys, program, sim
from patchctl.cli.report import Reporter
from patchctl.errors import EXIT_INTERRUPTED, EXIT_OK, PatchctlError, UsageError

_JSON = "--json"
# typer brings click in one of two ways; its own exceptions lead to the classes that are in use.
_CommandLineError = cast(type[Exception], typer.BadParameter.__mro__[2])

app = typer.Typer(
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Repairs Cortex-M firmware while it runs, with small verified eBPF patches.",
)
app.add_typer(keys.app, name="keys")
app.add_typer(sim.app, name="sim")
app.command()(build.build)
app.command()(build.verify)
app.command()(device.push)
app.command(name="list")(device.list_patches)
app.command()(device.status)
app.command()(device.rollback)
app.command()(console.console)
app.command()(program.asm)
app.command()(program.disasm)
app.command()(program.run)


@app.callback()
def root(
    json: Annotated[
        bool,
        typer.Option(_JSON, help="One JSON object a line on standard output, anywhere on the command line."),
    ] = False,
) -> None:
    """What all verbs share."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = _JSON in given
    reporter = Reporter(as_json)
    rest = [argument for argument in given if argument != _JSON]
    if not rest:
        rest = ["--help"]
    exit_code = PatchctlError.exit_code
    try:
        exit_code = _run(([_JSON] if as_json else []) + rest, reporter)
    finally:
        reporter.end(exit_code)
    return exit_code


def _run(arguments: list[str], reporter: Reporter) -> int:
    try:
        command = typer.main.get_command(app)
        result = command.main(arguments, prog_name="patchctl", standalone_mode=False, obj=reporter)
    except PatchctlError as problem:
        reporter.fail(problem)
        return problem.exit_code
    except _CommandLineError as problem:
        reporter.fail(_usage_error(problem))
        return UsageError.exit_code
    except (KeyboardInterrupt, typer.Abort):
        reporter.fail_text("interrupted; nothing is lost, run the same command again")
        return EXIT_INTERRUPTED
    return result if isinstance(result, int) else EXIT_OK


def _usage_error(problem: BaseException) -> UsageError:
    context = getattr(problem, "ctx", None)
    path = context.command_path if context is not None else "patchctl"
    text = problem.format_message() if hasattr(problem, "format_message") else str(problem)
    return UsageError(text.strip().rstrip("."), hint=f"see: {path} --help")


if __name__ == "__main__":
    sys.exit(main())
