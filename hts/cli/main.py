"""The `hts` program: its list of commands, loaded one at a time, and what happens when something goes wrong."""

import importlib
import os
import sys
import warnings

import click

from hts.errors import HtsError, UserError

# name -> (where it is, its line in `hts --help`). The lines stand here so that the help needs no command's imports.
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("hts.cli.doctor:doctor", "Check codes, MPI, pseudopotentials, profile and daemon."),
    "setup": ("hts.cli.setup:setup", "Make the profile, the codes and the pseudopotential family."),
    "prototypes": ("hts.cli.prototypes:prototypes", "List the prototype families that campaigns may use."),
    "enumerate": ("hts.cli.enumerate:enumerate_", "List the candidates of a campaign, without DFT."),
    "propose": ("hts.cli.propose:propose", "Import structures of the Materials Project as competitors."),
    "run": ("hts.cli.run:run", "Run a campaign until every candidate is decided."),
    "submit": ("hts.cli.submit:submit", "Submit what is missing of a campaign, and return; for cron."),
    "stop": ("hts.cli.stop:stop", "Keep a campaign from going on, without losing anything."),
    "resume": ("hts.cli.stop:resume", "Let a campaign go on: what was stopped, or paused by AiiDA."),
    "status": ("hts.cli.status:status", "Show the funnel: passed, failed, undecided, core-hours."),
    "candidates": ("hts.cli.candidates:candidates", "Show the answer: verdict, pressure, hull, Tc."),
    "explain": ("hts.cli.explain:explain", "Explain every verdict of one candidate."),
    "hull": ("hts.cli.hull:hull", "Show the hull of a chemical system at a pressure."),
    "plot": ("hts.cli.plot:plot", "Draw hulls, enthalpy, phonons, alpha2F, convergence, gaps, Tc against pressure."),
    "mode": ("hts.cli.mode:mode", "Animate the softest mode of one candidate."),
    "tc": ("hts.cli.tc:tc", "Compute Tc from an alpha2F file; needs no profile."),
}

EPILOG = """\
\b
An example campaign (examples/al-h-perovskites.yaml):
  name: al-mg-h-perovskites
  protocol: fast
  pseudo_family: LDA/vbc
  families:
    - {prototype: perovskite, sites: {A: [Al, Mg], B: [H], X: [Al]}}
  pressures_gpa: {start: 10, stop: 0, step: 10, resolution: 10}
  gates: {max_hull_ev_per_atom: 0.30, min_frequency_cm1: -20, min_tc_k: 1}
  mu_star: [0.10, 0.13, 0.16]

\b
Type next:
  hts doctor
  hts setup
  hts run examples/al-h-perovskites.yaml
  hts candidates

Exit codes: 0 done, 1 something is undecided or failed, 2 a mistake in what was typed or given, 130 interrupted.
"""


class LazyGroup(click.Group):
    """A click group that imports a command only when it is called, so that `--help` needs neither AiiDA nor numpy."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        """Return the names of the commands in the order in which they are used."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's)
        """Import and return a command, or None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module_name, attribute = COMMANDS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module_name), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module_name}:{attribute} is {type(command).__name__}, a click command was wanted")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 (click's)
        """Write the list of commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hts-hydrides", prog_name="hts", message="%(prog)s %(version)s")
def cli() -> None:
    """Screen families of hydrides for superconductivity, from high pressure down to 0 GPa."""


def run(arguments: list[str]) -> int:
    """Run one command and turn what went wrong into a line on standard error and an exit code.

    Parameters
    ----------
    arguments
        The command line without the program's name.

    Returns
    -------
    int
        0 done, 1 undecided or failed, 2 the user's mistake, 130 interrupted. A command may return its exit code or
        call `ctx.exit`. Errors of the program itself are not caught: they need their traceback.
    """
    # AiiDA makes its folder the first time it is imported, and says so as a warning with a line of its source.
    warnings.filterwarnings("ignore", message="Creating AiiDA configuration folder")
    try:
        result = cli.main(args=arguments, prog_name="hts", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        click.echo(f"Error: {' '.join(error.format_message().split())}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "Interrupted: what has been submitted goes on; type the same command again to continue from there.",
            err=True,
        )
        return 130
    except HtsError as error:
        click.echo(f"Error: {' '.join(str(error).split())}", err=True)
        return 2 if isinstance(error, UserError) else 1
    except BrokenPipeError:
        # The reader (`head`, a pager) has what it wanted; Python must not flush into the closed pipe at exit. click
        # does the same, with the same code, when the pipe breaks inside a command.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the console script `hts`."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
