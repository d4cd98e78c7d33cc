"""The page docs/reference/journey-file.md, made of what the code says.

`python -m tests.monitors.journey_file_page` writes it anew.
"""

# ruff: noqa: E501 - a row of a table is one line

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ocfkit.monitors.journey_file import JOURNEY_KEYS, STEP_KEYS, Key
from ocfkit.monitors.journey_walk import LARGEST_PAGE, MOST_REDIRECTS

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs/reference/journey-file.md"

TOP: Final = """\
# The file of a journey

Steps that a visitor of a web site takes, and what he has to see, in [TOML](https://toml.io). An
agent reads it before a start and at `validate-all` level 10, and walks it in a deep monitor. [Watch a
login](../how-to/watch-a-login.md) shows how to write one.

```toml
base = "https://shop.example"
connect = "127.0.0.1"

[[step]]
name = "log in"
get = "/login"

[[step]]
name = "send the form"
submit = "login"
fields = { user = "monitor", password = { secret_file = "/etc/ocfkit/shop.password" } }
text = "Welcome"
```

This page is made of the code: `python -m tests.monitors.journey_file_page`.
"""

REST: Final = f"""
A step has exactly one of `get`, `post`, `submit` and `follow`. What it does not know is a mistake, and
all mistakes are told at once, with step and key.

## Values that nobody may see

In `fields`, `form`, `json` and `headers` a value may stand elsewhere:

| | |
| --- | --- |
| `{{ secret_file = "/PATH" }}` | the one line of that file, which others may neither read nor write |
| `{{ secret_parameter = "NAME" }}` | what the agent passes under that name, from a secret parameter |

A password may stand in the journey's file itself if others may not read that: what is called `pass…`,
`secret`, `token`, `auth…`, `cookie` or `api_key`, and what is written into a password field of a form, is
refused in a file that everybody may read. Nobody but its owner and group may write to a journey.

Secrets, and what was saved if it has six characters or more, are `***` in every reason; so are the forms
that they have in addresses, HTML and JSON. Addresses are told without their query.

## What a step does

| | |
| --- | --- |
| Cookies | are kept until the visit ends, in memory |
| Redirects | are followed, {MOST_REDIRECTS} at most, as browsers do it: 303 asks with GET, 307 sends the form again |
| Other hosts | are gone to only if the file names them: in `base`, in the address of a step, or in `hosts`. Nobody is led from https to http |
| Forms | are sent with their hidden fields, ticked boxes, chosen options and the first button; disabled fields and files are not |
| `Referer`, `Origin` | are sent with forms and `post`, as browsers do it |
| Scripts | are not run, pages are not refreshed by `<meta>`, pictures and styles are not fetched |
| Proxies, `.netrc` | of the environment are not used |
| Connections | are closed after each request |
| A page | has at most {LARGEST_PAGE >> 20} MiB. It is read as its header says it is written, else as its `<meta>` does, else as UTF-8 |
| `{{name}}` | in addresses, fields, forms, JSON, headers, `text` and `not_text` is what an earlier step has saved |
| The source | is what came, before HTML is understood: `&amp;` is `&amp;` in `match`; `text` looks at what is seen as well |

All steps together have the time that the action has left, whatever a server or a name service does. The
walk is made in a process of its own, which is killed then.

## How it ends

| code | when |
| --- | --- |
| 0 | every step led to what it should |
| 1 | a step did not: the reason names it, what was asked, what was seen, and after how long |
| 2 | the file is missing on this node, has mistakes, or names a secret that cannot be had |
| 5 | the Python package requests is missing on this node |

```
step 2 (send the form): POST https://shop.example/login: no 'Welcome'; the page is 'Log in', it says 'Wrong password' (after 0.05 s)
```
"""


def page() -> str:
    """The whole page."""
    top = "\n".join(_table("At the top", JOURNEY_KEYS))
    steps = "\n".join(_table("In a step", STEP_KEYS))
    return f"{TOP}{top}\n{steps}\n{REST}"


def _table(title: str, keys: Mapping[str, Key]) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield "| key | is | meaning |"
    yield "| --- | --- | --- |"
    for name, key in keys.items():
        yield f"| `{name}` | {key.expected} | {key.meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
