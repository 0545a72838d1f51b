"""What each shell needs for completion, as data: a script that calls `mlctl __complete`, and where it goes."""

from __future__ import annotations

from typing import NamedTuple

from mlctl.errors import UsageError


class Shell(NamedTuple):
    """One shell. Places are relative to the user's home folder.

    `script_place`: where the shell finds scripts by itself; else `source_line` goes into `start_file`.
    """

    name: str
    script: str
    script_place: str = ""
    start_file: str = ""
    source_line: str = ""


# Without candidates each shell falls back on files, which is what -f and the like want.
_BASH = """\
_mlctl_complete() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <(mlctl __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _mlctl_complete mlctl
"""

_ZSH = """\
#compdef mlctl
_mlctl_complete() {
  local -a found
  found=("${(@f)$(mlctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then
    compadd -Q -- "${found[@]}"
  else
    _files
  fi
}
if (( ! $+functions[compdef] )); then
  autoload -Uz compinit && compinit
fi
compdef _mlctl_complete mlctl
"""

_FISH = """\
function __mlctl_complete
  set -l words (commandline -opc)
  set -l found (mlctl __complete --descriptions -- $words[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c mlctl -f -a '(__mlctl_complete)'
"""

_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName mlctl -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  $flags = @()
  if ($wordToComplete -eq '') { $flags = @('--new-word') }
  mlctl __complete @flags -- @words 2>$null | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
"""

SHELLS: dict[str, Shell] = {
    "bash": Shell("bash", _BASH, start_file=".bashrc", source_line="source '{script}'"),
    "zsh": Shell("zsh", _ZSH, start_file=".zshrc", source_line="source '{script}'"),
    "fish": Shell("fish", _FISH, script_place=".config/fish/completions/mlctl.fish"),
    "powershell": Shell(
        "powershell",
        _POWERSHELL,
        start_file=".config/powershell/Microsoft.PowerShell_profile.ps1",
        source_line=". '{script}'",
    ),
}
"""Shells by name."""


def find_shell(name: str) -> Shell:
    """The shell called `name`, in any case; pwsh is powershell. Raises UsageError."""
    word = name.lower().removesuffix(".exe")
    shell = SHELLS.get("powershell" if word == "pwsh" else word)
    if shell is None:
        raise UsageError(f"no completion for shell {name!r}", hint="--shell " + "|".join(SHELLS))
    return shell
