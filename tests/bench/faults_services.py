"""The web server and the database that the faults are made in: files, set-up, what is left.

Whoever runs them, every agent gets the same page and the same table to look at: /status says
"all is well", and `select state from pulse` does.
"""

from __future__ import annotations

import datetime as dt

import trustme

PAGE = "all is well"
URL = "http://127.0.0.1/status"
HTTPS = "https://localhost/status"
QUERY = "select state from pulse"

DATA = "/var/lib/postgresql/15/main"
CONFIG = "/etc/postgresql/15/main/postgresql.conf"
BINARIES = "/usr/lib/postgresql/15/bin"
SOCKETS = "/var/run/postgresql"

_NGINX = """\
user www-data;
worker_processes 2;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events {}
http {
  access_log /var/log/nginx/access.log;
  default_type text/plain;
  server {
    listen 80;
    listen 443 ssl;
    ssl_certificate /lab/server.pem;
    ssl_certificate_key /lab/server.pem;
    root /srv/lab;
    location = /status {
      if (-f /lab/fault/500) { return 500 "it is broken\\n"; }
      if (-f /lab/fault/404) { return 404 "all is well\\n"; }
      if (-f /lab/fault/silent) { rewrite ^ /silent last; }
      if (-f /lab/fault/drip) { rewrite ^ /drip last; }
    }
    location ~ ^/(silent|drip)$ {
      proxy_pass http://127.0.0.1:8099;
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
"""

_APACHE = """\
ServerName localhost
<VirtualHost *:80>
  DocumentRoot /srv/lab
  <Directory /srv/lab>
    Require all granted
  </Directory>
  ErrorDocument 404 "all is well"
  ProxyTimeout 3600
  RewriteEngine on
  RewriteCond /lab/fault/500 -f
  RewriteRule ^/status$ - [R=500,L]
  RewriteCond /lab/fault/404 -f
  RewriteRule ^/status$ - [R=404,L]
  RewriteCond /lab/fault/silent -f
  RewriteRule ^/status$ http://127.0.0.1:8099/silent [P,L]
  RewriteCond /lab/fault/drip -f
  RewriteRule ^/status$ http://127.0.0.1:8099/drip [P,L]
</VirtualHost>
<VirtualHost *:443>
  DocumentRoot /srv/lab
  <Directory /srv/lab>
    Require all granted
  </Directory>
  SSLEngine on
  SSLCertificateFile /lab/server.pem
</VirtualHost>
"""

_LISTENER = '''\
"""Listen in the way that the first argument says, on the port or path that the second says."""
import socket, sys, threading, time

way, where = sys.argv[1:3]
if where.startswith("/"):
    server = socket.socket(socket.AF_UNIX)
    server.bind(where)
else:
    server = socket.create_server(("", int(where)))
server.listen()

def serve(client):
    asked = b""
    while way != "mute" and b"\\r\\n\\r\\n" not in asked:
        read = client.recv(4096)
        if not read:
            return
        asked += read
    if way == "stranger":
        text = b"HTTP/1.0 200 OK\\r\\nContent-Length: 11\\r\\n\\r\\nall is well"
        client.sendall(text)
        client.close()
        return
    if b"/drip" in asked:
        client.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 3600\\r\\n\\r\\n")
        while True:
            client.sendall(b".")
            time.sleep(1)
    while client.recv(4096):
        pass

def quietly(client):
    try:
        serve(client)
    except OSError:
        pass

while True:
    threading.Thread(target=quietly, args=[server.accept()[0]], daemon=True).start()
'''

_SET_UP = """\
mkdir -p /lab/fault /lab/mine /srv/lab /var/log/nginx
rm -f /etc/nginx/sites-enabled/* /etc/apache2/sites-enabled/*
cp /lab/apache.conf /etc/apache2/sites-enabled/lab.conf
a2enmod -q rewrite proxy proxy_http ssl >/dev/null
cp /etc/apache2/apache2.conf /lab/apache2.conf
cp /lab/ca.pem /usr/local/share/ca-certificates/lab.crt
update-ca-certificates >/dev/null 2>&1
cat /lab/postgresql.conf >>{config}
cp -p {config} /lab/postgresql.conf
rm -rf {data}
su postgres -c '{binaries}/initdb -D {data} --no-sync --wal-segsize=1' >/dev/null
install -d -o postgres -g postgres -m 2775 {sockets}
run="{binaries}/pg_ctl -D {data} -o '-c config_file={config}' -l /dev/null"
su postgres -c "$run -w start" >/dev/null
su postgres -c "psql -q template1" <<'SQL'
create table pulse (state text);
insert into pulse values ('{page}');
create table ballast (words text);
SQL
su postgres -c "$run -w stop" >/dev/null
cp -a {data} /lab/data
"""

_RESET = """\
# Bring back the state of a node on which nothing has ever run.
pkill -9 -x nginx; pkill -9 -x apache2; pkill -9 -u postgres; pkill -9 -f '^python3 /lab/listener'
pkill -9 -f '^sleep 3600$'
rm -rf /lab/fault/* /run/nginx.pid /var/run/apache2 /run/lock/apache2 {sockets}
rm -rf /run/ocfkit /run/resource-agents/* /tmp/*
echo '{page}' >/srv/lab/status
cp /lab/nginx.conf /etc/nginx/nginx.conf
cp /lab/apache2.conf /etc/apache2/apache2.conf
cp -p /lab/postgresql.conf {config}
cp /lab/valid.pem /lab/server.pem
: >/var/log/nginx/access.log
rm -f /var/log/postgresql/*
install -d -o postgres -g postgres -m 2775 {sockets}
rm -rf {data}
cp -a /lab/data {data}
ipcrm --all=shm 2>/dev/null
exit 0
"""

_LEFTOVERS = """\
# What of the services is left: processes, listening sockets, pid files and lock files.
pgrep -a -x 'nginx|apache2' | sed 's/^[0-9]* /process /' | cut -c1-60
pgrep -u postgres -a -x postgres | sed 's/^[0-9]* /process /' | cut -c1-60
ss -Hltnp '( sport = :80 or sport = :443 or sport = :5432 )' | grep -v python3 |
    awk '{print "socket " $4}'
for each in /run/nginx.pid /run/apache2/apache2.pid {data}/postmaster.pid \\
    {sockets}/.s.PGSQL.5432 {sockets}/.s.PGSQL.5432.lock; do
    [ ! -e "$each" ] || echo "file $each"
done
"""

_DATABASE = """\
ssl = off
max_connections = 12
shared_buffers = 16MB
wal_recycle = off
min_wal_size = 2MB
max_wal_size = 4MB
logging_collector = on
log_directory = '/var/log/postgresql'
log_filename = 'lab.log'
log_file_mode = 0644
log_statement = all
"""


_BALLAST = """\
insert into ballast select repeat(md5(i::text), 20) from generate_series(1, 20000) i;
select pg_switch_wal();
"""


def _filled(text: str) -> str:
    names = {"data": DATA, "config": CONFIG, "binaries": BINARIES, "sockets": SOCKETS, "page": PAGE}
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text


SET_UP = _filled(_SET_UP)
"""Shell: what is done once on each node."""

RESET = _filled(_RESET)
"""Shell: what is done on each node before a fault."""

LEFTOVERS = _filled(_LEFTOVERS)
"""Shell: prints a line for each thing that is there although nothing should run."""


def files() -> dict[str, str]:
    """Path → text of what SET_UP needs."""
    authority = trustme.CA()
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    valid, expired = (
        authority.issue_cert("localhost", "127.0.0.1", not_before=now - 30 * day, not_after=until)
        for until in (now + 300 * day, now - day)
    )
    return {
        "/lab/nginx.conf": _NGINX,
        "/lab/apache.conf": _APACHE,
        "/lab/listener.py": _LISTENER,
        "/lab/postgresql.conf": _DATABASE,
        "/lab/ballast.sql": _BALLAST,
        "/lab/ca.pem": authority.cert_pem.bytes().decode(),
        "/lab/valid.pem": valid.private_key_and_cert_chain_pem.bytes().decode(),
        "/lab/expired.pem": expired.private_key_and_cert_chain_pem.bytes().decode(),
    }
