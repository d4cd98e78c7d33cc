"""`ocfkit completion`: let a shell complete our command lines.

The scripts ask `ocfkit` itself, with the words up to the cursor, so they know what it knows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from ocfkit import catalogue, launchers
from ocfkit.catalogue import AgentError
from ocfkit.commands.arguments import Argument, Command, Parser, parser_of
from ocfkit.metadata import first_sentence

SUMMARY = "print a script that lets a shell complete command lines"

ASK = "__complete"
"""The word by which the scripts ask."""

_EPILOG = """\
how to use it:
  bash   eval "$(ocfkit completion bash)"       in ~/.bashrc
  zsh    eval "$(ocfkit completion zsh)"        in ~/.zshrc, after compinit
  fish   ocfkit completion fish | source        in ~/.config/fish/config.fish

An agent in a file is loaded to complete its actions and parameters.
"""

_BASH = """\
_ocfkit() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\\t'*}")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null || :
}
complete -o default -F _ocfkit ocfkit
"""

_ZSH = """\
_ocfkit() {
    local word meaning
    local -a plain open told
    while IFS=$'\\t' read -r word meaning; do
        case $word in
            *=) open+=("$word") ;;
            *)
                [[ -n $meaning ]] && told+=("${word//:/\\\\:}:$meaning") || plain+=("$word")
                ;;
        esac
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ! $#open )) || compadd -S '' -a open
    (( ! $#plain )) || compadd -a plain
    (( ! $#told )) || _describe -t values value told
    (( $#open + $#plain + $#told )) || _files
}
compdef _ocfkit ocfkit
"""

_FISH = """\
function __ocfkit_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c ocfkit -f -a '(__ocfkit_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def configure(parser: Parser) -> None:
    """Add its arguments."""
    parser.add_argument("shell", metavar="SHELL", choices=SCRIPTS, help="bash, zsh or fish")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    print(SCRIPTS[arguments.shell], end="")
    return 0


def answer(commands: Mapping[str, Command], words: Sequence[str]) -> int:
    """Print what the last word may become, a line each: the word, a tab, what it means."""
    words = _rejoined(words)
    for word, meaning in _candidates(commands, words or [""]).items():
        if word.startswith(words[-1] if words else ""):
            print(f"{word}\t{' '.join(meaning.split())}")
    return 0


def _rejoined(words: Sequence[str]) -> list[str]:
    """Undo what bash does to words with : and = in them (COMP_WORDBREAKS)."""
    found: list[str] = []
    glue = False
    for word in words:
        breaks = word in (":", "=")
        if found and (breaks or glue):
            found[-1] += word
        else:
            found.append(word)
        glue = breaks
    return found


def _candidates(commands: Mapping[str, Command], words: Sequence[str]) -> dict[str, str]:
    """All that could stand in the place of the last word, with what it means."""
    if len(words) == 1:
        return {name: command.SUMMARY for name, command in commands.items()}
    name, *before, last = words
    if name == "help" and not before:
        return {name: command.SUMMARY for name, command in commands.items()}
    if name not in commands:
        return {}
    known = parser_of(name, commands[name]).described()
    options = {option: each for each in known for option in each.options}
    plain: list[str] = []
    wanted: Argument | None = None
    for word in before:
        if wanted is not None:
            wanted = None  # this word was its value
        elif word in options:
            wanted = options[word] if options[word].takes_value else None
        elif not word.startswith("-"):
            plain.append(word)
    if wanted is None and last.startswith("-"):
        return {option: each.help for option, each in options.items()}
    return _values(wanted or _next_plain(known, len(plain)), plain)


def _next_plain(known: Sequence[Argument], number: int) -> Argument | None:
    """The argument without a name that comes after so many others."""
    plain = [each for each in known if not each.options]
    if number < len(plain):
        return plain[number]
    return plain[-1] if plain and plain[-1].repeated else None


def _values(wanted: Argument | None, plain: Sequence[str]) -> dict[str, str]:
    """What an argument may be, as far as we know; nothing for what the shell knows, as files."""
    if wanted is None:
        return {}
    if wanted.choices:
        return dict.fromkeys(wanted.choices, "")
    try:
        return _KNOWN[wanted.dest](plain) if wanted.dest in _KNOWN else {}
    except AgentError:
        return {}


def _agents(_: Sequence[str]) -> dict[str, str]:
    return {each.name: each.target for each in catalogue.registered()}


def _launchers(_: Sequence[str]) -> dict[str, str]:
    return {each.name: each.path for each in launchers.installed()}


def _actions(plain: Sequence[str]) -> dict[str, str]:
    declared = catalogue.find(plain[0]).cls.declaration
    return dict.fromkeys([*declared.actions, "validate-all", "meta-data"], "")


def _parameters(plain: Sequence[str]) -> dict[str, str]:
    if not plain:
        return {}
    declared = catalogue.find(plain[0]).cls.declaration
    return {f"{each.name}=": first_sentence(each.desc) for each in declared.parameters.values()}


_KNOWN: dict[str, Callable[[Sequence[str]], dict[str, str]]] = {
    "agent": _agents,
    "agents": _agents,
    "launchers": _launchers,
    "action": _actions,
    "parameters": _parameters,
}
"""What to look up for an argument, given the plain words before it."""
