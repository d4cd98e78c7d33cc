"""Documents of many scripts, each as heavy as a real one and like no other.

What a page of real scripts weighs was measured: 14 of Debian 12 took 6,400 bytes each in its data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import cast

from lsbcheck import exitcodes
from lsbcheck.check import Report
from lsbcheck.report import Setting
from lsbcheck.report.json import Json, document
from lsbcheck.report.shape import Document
from lsbcheck.rules import RULES
from lsbcheck.rules.samples import seen
from lsbcheck.script import Script
from lsbcheck.transcript import Transcript

KINDS: Sequence[Transcript] = (
    seen(),
    *chain.from_iterable(rule.invalid for rule in RULES),
    Transcript("/etc/init.d/sample", refused="its service is running on this host: sampled"),
)
"""A script that keeps every rule, scripts that break one each in some way, one that was not run."""
NAMES = (
    "acpid atd chrony cron dictd distcc exim4 gmetad haproxy monit named nginx snmpd ssh".split()
)


def fleet(count: int, setting: Setting | None = None) -> Document:
    """So many scripts, of every kind in turn, with their transcripts."""
    setting = setting or Setting()
    reports = [_report(kind) for kind in KINDS[:count]]
    code = exitcodes.of_all([setting.exit_code(report) for report in reports])
    made = document(reports, setting, code, transcripts=True)
    kinds = [json.dumps(_talkative(cast("Json", script))) for script in made["scripts"]]
    scripts = [
        json.loads(kinds[number % len(kinds)].replace("sample", name_of(number)))
        for number in range(count)
    ]
    return {**made, "scripts": scripts}


def name_of(number: int) -> str:
    """`acpid`, `atd`, …, then `acpid-14`."""
    name = NAMES[number % len(NAMES)]
    return name if number < len(NAMES) else f"{name}-{number}"


def _report(transcript: Transcript) -> Report:
    path = "/etc/init.d/sample"
    script = Script("sample", path, path, "#!/bin/sh\n", "/bin/sh")
    return Report(script, transcript, {rule.id: rule.judge(transcript) for rule in RULES})


def _talkative(value: Json) -> Json:
    """The same with more output, which differs from call to call and from script to script."""
    match value:
        case str():
            return value
        case Mapping():
            fields = {key: _talkative(item) for key, item in value.items()}
            if "output" in fields:
                digest = hashlib.sha512(repr(fields).encode()).hexdigest()
                fields["output"] = f"{fields['output']}\n[....] sample says {digest}\n"
            return fields
        case Sequence():
            return [_talkative(item) for item in value]
        case _:
            return value
