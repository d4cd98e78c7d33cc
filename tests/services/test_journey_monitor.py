"""A journey through a real nginx with TLS, before an application, on Debian's own requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitors.journey_shop import PASSWORD, USER
from tests.services.cluster_tools import Answer, Command, Machine, build_wheel
from tests.services.conftest import debian

SHOP = Path(__file__).parents[1] / "monitors/journey_shop.py"

NGINX = """
events {}
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
http {
    access_log off;
    server {
        listen 8443 ssl;
        server_name shop.example;
        ssl_certificate /srv/shop.pem;
        ssl_certificate_key /srv/shop.key;
        location / {
            proxy_pass http://127.0.0.1:9000;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_redirect off;
        }
    }
}
"""

RUN_SHOP = """#!/usr/bin/python3
import sys, threading
sys.path.insert(0, "/srv")
from journey_shop import Shop
with Shop(port=9000):
    threading.Event().wait()
"""

VISIT = f"""
base = "https://shop.example:8443"
connect = "127.0.0.1"
ca_file = "/srv/shop.pem"

[[step]]
get = "/login"

[[step]]
name = "log in"
submit = "login"
fields = {{ user = "{USER}", password = {{ secret_file = "/srv/password" }} }}
text = "Good morning"

[[step]]
follow = "Your orders"
match = "Open orders: [0-9]+"

[[step]]
get = "/account"

[[step]]
name = "log out"
submit = "out"
text = "Welcome to the shop"
"""

LOOK = """#!/usr/bin/python3 -IS
import sys
sys.path.append("/usr/lib/python3/dist-packages")
from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError
from ocfkit.monitors import journey
try:
    for _ in range(int(sys.argv[1])):
        journey.check("/srv/visit.toml", deadline=Deadline.after(float(sys.argv[2])))
except ActionError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""

CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
    "-subj /CN=shop.example -addext subjectAltName=DNS:shop.example "
    "-keyout /srv/shop.key -out /srv/shop.pem 2>/dev/null"
)

START_SHOP = """
setsid /srv/run_shop </dev/null >/dev/null 2>&1 &
for _ in $(seq 100); do
    kill -0 $!
    if ss -Hltn 'sport = 9000' | grep -q .; then exit 0; fi
    sleep 0.05
done
exit 1
"""

ONE: Command = ["/srv/look", "1", "10"]
MANY = "/srv/look 40 20"
HURRIED: Command = ["/srv/look", "1", "2"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine in which nginx and the shop run."""
    return Machine(
        debian("servers"),
        build_wheel(tmp_path_factory.mktemp("wheel")),
        files={
            "/srv/journey_shop.py": SHOP.read_text("utf-8"),
            "/srv/run_shop": RUN_SHOP,
            "/srv/look": LOOK,
            "/srv/nginx.conf": NGINX,
            "/srv/visit.toml": VISIT,
            "/srv/password": f"{PASSWORD}\n",
        },
        prepare=[
            "chmod 600 /srv/password",
            CERTIFICATE,
            START_SHOP,
            ["nginx", "-c", "/srv/nginx.conf"],
        ],
    )


FAULTS = {
    "echo wrong >/srv/password": "step 2 (log in): POST https://shop.example:8443/login?…: "
    "no 'Good morning'; the page is 'Log in', it says 'Wrong password ***",
    "pkill -STOP -f /srv/run_shop": "shop.example:8443/login: nothing came in time",
    "pkill -STOP nginx": "shop.example:8443/login: nothing came in time",
    "pkill -KILL -f /srv/run_shop": "ActionError: step 1: GET https://shop.example:8443/login: "
    "status 502, not from 200 to 299; the page is '502 Bad Gateway'",
    "pkill -KILL nginx": "shop.example:8443/login: Connection refused",
}
"""What is done, and what the journey says of it."""

REPAIR = "cp -p /srv/right /srv/password; pkill -CONT -f /srv/run_shop || true; pkill -CONT nginx"


@pytest.fixture(scope="module")
def seen(lab: Machine) -> dict[str, Answer]:
    """What a visit says after each fault; the one before is repaired, where that can be done."""
    commands: list[Command] = ["cp -p /srv/password /srv/right"]
    for fault in FAULTS:
        commands += [REPAIR, fault, HURRIED]
    answers = lab.run(*commands)
    return dict(zip(FAULTS, answers[3::3], strict=True))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told(seen: dict[str, Answer], fault: str) -> None:
    assert seen[fault].code == 1
    assert FAULTS[fault] in seen[fault].stderr
    assert seen[fault].seconds < 3


def test_no_visit_fails_while_nginx_reloads(lab: Machine) -> None:
    reload = "nginx -c /srv/nginx.conf -s reload 2>/dev/null"
    first, seen = lab.run(
        ONE, f"(for _ in $(seq 20); do {reload}; sleep 0.1; done) &\n{MANY}\nwait"
    )
    assert (first.code, seen.code, seen.stderr) == (0, 0, "")
