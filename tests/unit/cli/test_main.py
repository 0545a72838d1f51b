"""main(): exit codes, what goes where, help, suggestions, and the crash report."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.unit.cli.calls import Call

from mlctl.cli import groups
from mlctl.cli.command import NOWHERE, Accepted, Result, command
from mlctl.cli.crash import mask, masked_words
from mlctl.cli.groups import Entry
from mlctl.context import Context
from mlctl.errors import InvalidSpecError, JobFailedError, MlctlError, NotFoundError
from mlctl.spec.problems import Problem

SPACE = "hint: free some space; mlctl doctor says how much there is\n"


@pytest.fixture(autouse=True)
def probe(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A group `probe` whose commands do what the tests need."""
    module = ModuleType("probe_commands")

    @command(scope=NOWHERE)
    def value(context: Context) -> dict[str, Any]:
        """Give a value."""
        return {"b": 1, "a": "é"}

    @command
    def nothing(context: Context) -> None:
        """Give nothing."""

    @command
    def workspace(context: Context) -> dict[str, Any]:
        """Say the workspace."""
        found = context.settings.get("defaults.workspace")
        return {"value": found.value, "source": found.source, "group": context.settings.text("defaults.group")}

    @command(accepted=(Accepted(("--vnet", "-v")), Accepted(("--isolate",), "flag")))
    def accepting(context: Context) -> None:
        """Take what means nothing."""

    @command(scope=NOWHERE)
    def logging(context: Context) -> Result:
        """Give a log, then a value, then bad news."""

        def lines() -> Iterator[bytes]:
            yield b"one\n"
            yield b"\xfftwo\n"

        return Result({"status": "Failed"}, exit_code=10, log=lines())

    @command(scope=NOWHERE)
    def fail(context: Context, *, how: str = "bug") -> None:
        """Fail in some way."""
        problem = Problem("c", "a.b", "is wrong", source="j.yml", line=3, column=7)
        errors: dict[str, BaseException] = {
            "bug": ValueError("token=abc123 is wrong"),
            "missing": NotFoundError("no job named 'x'", hint="mlctl job list"),
            "job": JobFailedError("job 'x' failed"),
            "spec": InvalidSpecError("job.yml is not valid", problems=[problem]),
            "interrupt": KeyboardInterrupt(),
            "full": OSError(28, "No space left on device", "/x"),
            "pipe": BrokenPipeError(),
        }
        raise errors[how]

    for function in (value, nothing, workspace, accepting, logging, fail):
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "probe_commands", module)
    entry = Entry("probe", "probe_commands", "For tests.")
    monkeypatch.setattr(groups, "ENTRIES", (*groups.ENTRIES, entry))
    monkeypatch.setattr("mlctl.cli.lazy.ENTRIES", groups.ENTRIES)
    return module


def test_result_goes_to_stdout_and_nothing_else(call: Call) -> None:
    answer = call("probe", "value")
    assert answer == (0, '{\n  "a": "é",\n  "b": 1\n}\n', "")


def test_global_options_anywhere_and_short(call: Call) -> None:
    assert call("probe", "value", "-otsv").out == "é\t1\n"
    assert call("probe", "value", "--quer", "a", "--out", "TSV").out == "é\n"
    assert call("probe", "value", MLCTL_OUTPUT="yaml").out == "a: é\nb: 1\n"


def test_verbose_says_how_long_it_took(call: Call) -> None:
    assert call("probe", "nothing", "--verbose").err.startswith("Command ran in 0.")


def test_nothing_to_show_prints_nothing(call: Call) -> None:
    assert call("probe", "nothing") == (0, "", "")
    assert call("probe", "value", "--query", "missing") == (0, "", "")


def test_workspace_and_group_land_in_the_settings(call: Call) -> None:
    shown = call("probe", "workspace", "-w", "mine", "-g", "rg", "--subscription", "s").json
    assert shown == {"value": "mine", "source": "--workspace-name", "group": "rg"}
    empty = call("probe", "workspace", "-w", "")  # a variable of a script that is not set
    assert (empty.code, empty.err.splitlines()[0]) == (2, "error[usage]: --workspace-name is empty")


def test_options_without_meaning_warn_once_each(call: Call) -> None:
    answer = call("probe", "accepting", "-v", "net", "--isolate")
    assert answer.code == 0
    assert answer.err.splitlines() == [
        "warning: --vnet means nothing on this machine and is left out",
        "warning: --isolate means nothing on this machine and is left out",
    ]
    assert call("probe", "accepting", "-v", "net", "--only-show-errors").err == ""
    assert call("probe", "accepting", "-v", "net", AZURE_CORE_ONLY_SHOW_ERRORS="yes").err == ""
    assert "--vnet" in call("probe", "accepting", "--help").out


def test_log_then_value_then_exit_code(call: Call) -> None:
    answer = call("probe", "logging")
    assert answer.code == 10
    assert answer.out == 'one\n\udcfftwo\n{\n  "status": "Failed"\n}\n'


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("missing", 3, "error[not_found]: no job named 'x'\nhint: mlctl job list\n"),
        ("job", 10, "error[job_failed]: job 'x' failed\n"),
        ("interrupt", 130, ""),
        ("full", 7, "error[unavailable]: No space left on device: /x\n" + SPACE),
        ("pipe", 141, ""),
    ],
)
def test_errors_end_with_their_code(call: Call, how: str, code: int, message: str) -> None:
    assert call("probe", "fail", "--how", how) == (code, "", message)


def test_every_problem_of_a_document_is_shown(call: Call) -> None:
    answer = call("probe", "fail", "--how", "spec")
    assert answer.code == 5
    assert "j.yml:3:7" in answer.err
    assert answer.out == ""


def test_every_error_class_has_its_own_exit_code() -> None:
    classes = MlctlError.__subclasses__()
    codes = {kind.exit_code for kind in classes if kind.__module__ == "mlctl.errors"}
    assert codes == set(range(2, 11))


def test_bug_becomes_one_line_and_a_report(call: Call) -> None:
    answer = call("probe", "fail", "--how", "bug")
    assert answer.code == 1
    error, hint = answer.err.splitlines()
    assert error == "error[internal]: ValueError: token=*** is wrong"
    report = Path(hint.rpartition(" ")[2]).read_text()
    assert "command: mlctl probe fail --how bug" in report
    assert "Traceback" in report
    assert "abc123" not in report
    assert "Traceback" in call("probe", "fail", "--debug").err


def test_bug_without_a_place_for_the_report(call: Call, tmp_path: Any) -> None:
    (tmp_path / "home").write_text("in the way")
    answer = call("probe", "fail")
    assert answer.code == 1
    assert "could not be written" in answer.err


def test_secrets_are_masked() -> None:
    words = ["compute", "create", "--admin-password", "p1", "--set", "token=p2", "url=http://u:p3@host/", "-n", "job-1"]
    text = " ".join(masked_words(words))
    assert "p1" not in text
    assert "p2" not in text
    assert "p3" not in text
    assert "job-1" in text
    assert mask("name=x tokens are fine") == "name=x tokens are fine"


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["jbo"], "no such command: mlctl jbo", "did you mean job?"),
        (["zzz"], "no such command: mlctl zzz", "commands: job, compute"),
        (["probe"], "mlctl probe needs a command", "one of value, nothing"),
        (["probe", "vlaue"], "no such command: mlctl probe vlaue", "did you mean value?"),
        (["probe", "value", "--outptu", "x"], "no such option: --outptu", "--output"),
        (["--output", "json"], "No such option: --output", ""),
        (["probe", "--value"], "No such option: --value", ""),
        (["probe", "value", "-o", "xml"], "Invalid value for '--output'", "mlctl probe value --help"),
        (["probe", "value", "stray"], "unexpected extra argument", "--help"),
        (["probe", "value", "--query", "["], "--query is no JMESPath expression", ""),
        (["compute", "show"], "Missing option '--name' / '-n'", ""),
    ],
)
def test_usage_errors(call: Call, words: list[str], message: str, hint: str) -> None:
    answer = call(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert "error[usage]: " in answer.err
    assert message in answer.err
    assert hint in answer.err


def test_usage_errors_show_the_usage_line(call: Call) -> None:
    assert call("probe", "value", "--nope").err.startswith("Usage: mlctl probe value")
    assert call("jbo").err.startswith("Usage: mlctl ")


def test_wrong_format_in_the_settings_is_found_before_the_work(call: Call) -> None:
    answer = call("probe", "fail", MLCTL_OUTPUT="xml")
    assert answer.code == 2
    assert "MLCTL_OUTPUT" in answer.err


def test_help(call: Call) -> None:
    root = call()
    assert root.code == 0
    assert root.out == call("--help").out == call("-h").out
    assert all(entry.name in root.out for entry in groups.ENTRIES if not entry.hidden)
    assert "__complete" not in root.out
    assert "Give a value." in call("probe", "--help").out
    assert "--output" in call("probe", "value", "-h").out


def test_version(call: Call) -> None:
    from mlctl import __version__

    assert call("--version").out == f"mlctl {__version__}\n"
    assert call("version", "--query", "mlctl", "-o", "tsv").out == f"{__version__}\n"


def test_a_command_is_still_a_plain_function(probe: ModuleType) -> None:
    assert probe.value(Context()) == {"b": 1, "a": "é"}


@pytest.mark.parametrize(
    ("redirection", "code"), [("| true", 141), ("> /dev/full", 7), (">&-", 0), ("2>&- >/dev/null", 0)]
)
@pytest.mark.parametrize("words", ["config list", "--help"])
def test_stdout_that_is_closed_full_or_gone(tmp_path: Path, redirection: str, code: int, words: str) -> None:
    line = f'"$0" -m mlctl {words} {redirection}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable],
        env={**os.environ, "MLCTL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    # `true` may end before or after the few bytes are in the pipe
    assert done.returncode in ((0, 141) if code == 141 else (code,))
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


_INTERRUPTED = """
import sys, time
from mlctl import cli
class Thing:
    def __del__(self):
        raise KeyboardInterrupt
def guarded(words, context):
    Thing()
    time.sleep(float(sys.argv[1]))
    return 0
cli._guarded = guarded
cli.run()
"""


@pytest.mark.parametrize("seconds", ["0", "60"])
def test_ctrl_c_while_an_object_is_destroyed_ends_the_command(seconds: str) -> None:
    words = [sys.executable, "-c", _INTERRUPTED, seconds]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (130, "")


_INTERRUPTED_EARLY = """
import atexit, os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == place:
            os.kill(os.getpid(), signal.SIGINT)
place = sys.argv[1]
sys.meta_path.insert(0, Interrupt())
if place == "the end":
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
if len(sys.argv) > 2:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.argv[1:] = ["config", "list", "-o", "none"]
from mlctl.start import run
run()
"""
_PLACES = ["mlctl.cli", "mlctl.context", "mlctl.output.streams", "typer", "mlctl.cli.config", "the end"]


@pytest.mark.parametrize("place", _PLACES)
def test_ctrl_c_is_silent_at_every_moment(place: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", _INTERRUPTED_EARLY, place]
    environ = {**os.environ, "MLCTL_HOME": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30, env=environ)
    # what is done when Ctrl-C comes stays done
    assert (done.returncode, done.stdout, done.stderr) == (0 if place == "the end" else 130, "", "")
    done = subprocess.run([*words, "ignored"], capture_output=True, text=True, check=False, timeout=30, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
