"""The http and tcp monitors before real nginx and Apache, on Debian's own Python."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.services.cluster_tools import Answer, Machine, build_wheel
from tests.services.conftest import debian

PASSWORD = "canary-7f3a"  # noqa: S105

LOOK = """#!/usr/bin/python3 -IS
import sys
sys.path.append("/usr/lib/python3/dist-packages")
from ocfkit.deadline import Deadline
from ocfkit.errors import ActionError
from ocfkit.monitors import http, tcp
kind, seconds, what, *words = sys.argv[1:]
given = dict(word.split("=", 1) for word in words)
for name in ("redirects", "limit", "expires_within", "verify"):
    if name in given:
        given[name] = int(given[name])
if "send" in given:
    given["send"] = given["send"].encode()
deadline = Deadline.after(float(seconds))
try:
    if kind == "tcp":
        host, _, port = what.rpartition(":")
        tcp.check(host or what, int(port or 0), deadline=deadline, **given)
    else:
        print(http.check(what, deadline=deadline, **given).status)
except ActionError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(99 if deadline.over() else error.exit_code)
"""

NGINX = """
events {}
http {
    access_log off;
    server {
        listen 127.0.0.1:8001;
        listen [::1]:8001;
        listen unix:/run/web.sock;
        server_name _;
        root /srv/www;
        location = /teapot { return 418 "It works"; }
        location = /moved { return 302 /index.html; }
        location = /away { return 302 https://shop.example:8443/index.html; }
        location = /private {
            auth_basic "x";
            auth_basic_user_file /srv/users;
            try_files /index.html =404;
        }
        location = /slow { limit_rate 1; try_files /large =404; }
    }
    server {
        listen 127.0.0.1:8443 ssl;
        server_name shop.example;
        ssl_certificate /srv/shop.pem;
        ssl_certificate_key /srv/key.pem;
        root /srv/www;
    }
    server {
        listen 127.0.0.1:8444 ssl;
        ssl_certificate /srv/local.pem;
        ssl_certificate_key /srv/key.pem;
        root /srv/www;
    }
}
"""

PREPARE = f"""
ip link set lo up
mkdir -p /srv/www
echo 'It works' >/srv/www/index.html
head -c 300000 /dev/zero | tr '\\0' x >/srv/www/large
printf 'watch:%s\\n' "$(openssl passwd -apr1 {PASSWORD})" >/srv/users
openssl ecparam -name prime256v1 -genkey -noout -out /srv/key.pem
for each in "shop DNS:shop.example 100" "local IP:127.0.0.1 5"; do
    set -- $each
    openssl req -x509 -new -key /srv/key.pem -days $3 -subj /CN=$1 \
        -addext subjectAltName=$2 -out /srv/$1.pem
done
echo '127.0.0.1 shop.example' >>/etc/hosts
nginx -c /srv/nginx.conf
sed -i 's/^Listen 80$/Listen 127.0.0.1:8002/' /etc/apache2/ports.conf
service apache2 start
"""

PLAIN = "http://127.0.0.1:8001/"
SHOP = "https://127.0.0.1:8443/"
LOCAL = "https://127.0.0.1:8444/"
WORKERS = "$(pgrep -P $(cat /run/nginx.pid))"


@dataclass(frozen=True)
class State:
    """What is asked, and what the monitor says."""

    code: int
    said: str
    words: str
    before: str = ":"
    after: str = ":"
    seconds: float = 5

    def command(self) -> str:
        kind, _, words = self.words.partition(" ")
        return (
            f"{self.before}\ncode=0\n/srv/look {kind} {self.seconds} {words} || code=$?\n"
            f"({self.after}) || code=97\nexit $code"
        )


STATES = {
    "right": State(0, "200", f"http {PLAIN} 'match=^It works$'"),
    "right by IPv6": State(0, "200", "http 'http://[::1]:8001/' 'match=It works'"),
    "right by a name": State(0, "200", "http http://localhost:8001/ 'match=It works'"),
    "right by a unix socket": State(
        0, "200", "http http://localhost/ unix_socket=/run/web.sock 'match=It works'"
    ),
    "right by HEAD": State(0, "200", f"http {PLAIN} method=HEAD"),
    "right from apache, in chunks": State(0, "200", "http http://127.0.0.1:8002/ 'match=</html>'"),
    "404": State(1, "status 404, not 200", f"http {PLAIN}none"),
    "wrong status with the right text": State(
        1, "status 418, not 200", f"http {PLAIN}teapot 'match=It works'"
    ),
    "wrong text": State(1, "the page is 'It works', without 'ready'", f"http {PLAIN} match=ready"),
    "too long": State(1, "longer than 100000 bytes", f"http {PLAIN}large limit=100000"),
    "redirected": State(1, "status 302, not 200 (it leads to", f"http {PLAIN}moved"),
    "redirect followed": State(0, "200", f"http {PLAIN}moved redirects=1 'match=It works'"),
    "redirect to https followed": State(
        0, "200", f"http {PLAIN}away redirects=1 ca_file=/srv/shop.pem 'match=It works'"
    ),
    "password": State(0, "200", f"http {PLAIN}private user=watch password={PASSWORD}"),
    "wrong password": State(
        1, "status 401, not 200", f"http {PLAIN}private user=watch password={PASSWORD}x"
    ),
    "one byte a second": State(
        1, "bytes of its headers had come when time was over", f"http {PLAIN}slow", seconds=2
    ),
    "tls by a name": State(
        0, "200", "http https://shop.example:8443/ ca_file=/srv/shop.pem 'match=It works'"
    ),
    "tls by another name": State(
        0, "200", f"http {SHOP} ca_file=/srv/shop.pem server_name=shop.example"
    ),
    "tls of another": State(
        1, "its certificate is not for 127.0.0.1", f"http {SHOP} ca_file=/srv/shop.pem"
    ),
    "tls of nobody": State(1, "is signed by itself, which is not trusted", f"http {LOCAL}"),
    "tls of whomever": State(0, "200", f"http {LOCAL} verify=0"),
    "tls that ends soon": State(
        190,
        "DegradedError: GET https://127.0.0.1:8444/: the answer is right, and its certificate ends",
        f"http {LOCAL} ca_file=/srv/local.pem expires_within=7",
    ),
    "tls that ends later": State(0, "200", f"http {LOCAL} ca_file=/srv/local.pem expires_within=4"),
    "http to a port of tls": State(1, "status 400, not 200", "http http://127.0.0.1:8444/"),
    "tls to a port of http": State(1, "it does not speak TLS", "http https://127.0.0.1:8001/"),
    "connected": State(0, "", "tcp 127.0.0.1:8001"),
    "connected to a unix socket": State(0, "", "tcp /run/web.sock: banner=400 'send=x\n\n'"),
    "workers suspended": State(
        1,
        "no answer had come when time was over",
        f"http {PLAIN}",
        before=f"kill -STOP {WORKERS}",
        after=f"kill -CONT {WORKERS}",
        seconds=1,
    ),
    "workers suspended, connected": State(
        0, "", "tcp 127.0.0.1:8001", before=f"kill -STOP {WORKERS}", after=f"kill -CONT {WORKERS}"
    ),
    "stopped": State(
        1, "Connection refused", f"http {PLAIN}", before="kill -QUIT $(cat /run/nginx.pid); sleep 1"
    ),
    "unix socket gone": State(
        1, "No such file or directory", "http http://localhost/ unix_socket=/run/none.sock"
    ),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """One machine for all: its servers are started once."""
    machine = Machine(
        debian("servers"),
        build_wheel(tmp_path_factory.mktemp("wheel")),
        files={"/srv/look": LOOK, "/srv/nginx.conf": NGINX},
        prepare=[PREPARE],
    )
    said = machine.run(*(state.command() for state in STATES.values()))
    return dict(zip(STATES, said, strict=True))


@pytest.mark.parametrize("state", STATES)
def test_a_state_of_a_real_server(answers: dict[str, Answer], state: str) -> None:
    answer = answers[state]
    assert answer.code == STATES[state].code
    assert STATES[state].said in answer.stdout
    assert PASSWORD not in answer.stdout + answer.stderr
