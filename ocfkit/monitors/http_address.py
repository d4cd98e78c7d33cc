"""An address of http or https, as far as asking for it needs its parts (RFC 3986)."""

from __future__ import annotations

_PORTS = {"http": 80, "https": 443}
_SAFE = frozenset(range(0x21, 0x7F))
_NOT_IN_HOST = frozenset('"#/<>?\\^`{|} ')


class Address:
    """The parts of an address; what is said of it holds no password."""

    __slots__ = ("authority", "host", "port", "scheme", "target")

    def __init__(self, scheme: str, authority: str, target: str) -> None:
        """Raises ValueError for an authority that is none."""
        self.scheme = scheme
        self.authority = authority
        """Host and port as they were said."""
        self.host, self.port = host_and_port(authority, _PORTS[scheme])
        self.target = target
        """Path and query as they are asked for."""

    @property
    def shown(self) -> str:
        """The whole of it, without the query, which may hold what is secret."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Whose it is: what is meant for him alone goes nowhere else."""
        return self.scheme, self.host.lower(), self.port

    @property
    def host_header(self) -> str:
        """Host and port as the server is told them."""
        host = self.host.partition("%")[0]  # a zone means something on this machine alone
        host = f"[{host}]" if ":" in host else host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parsed(url: str) -> Address:
    """The parts of an address; raises ValueError, which shows nothing of a password."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise ValueError("it does not begin with http:// or https://")
    if not url.isprintable() or " " in url:
        raise ValueError("it holds a blank or a character that cannot be seen")
    authority, target = _split(rest)
    return Address(scheme, authority, _target(target, "utf-8"))


def followed(base: Address, location: str) -> Address:
    """Where a redirect leads to; raises ValueError. What it says is latin-1, read from bytes."""
    scheme, separator, rest = location.partition("://")
    if separator and scheme.lower() in _PORTS:
        authority, target = _split(rest)
        return Address(scheme.lower(), authority, _target(target, "latin-1"))
    if ":" in _split(location)[0]:
        raise ValueError("it does not begin with http:// or https://")
    if location.startswith("//"):
        authority, target = _split(location[2:])
        return Address(base.scheme, authority, _target(target, "latin-1"))
    path, _, _ = base.target.partition("?")
    if location.startswith("?"):
        target = path + location
    elif location.startswith("/"):
        target = location
    else:
        target = f"{path.rpartition('/')[0]}/{location}"
    return Address(base.scheme, base.authority, _target(target, "latin-1"))


def _split(rest: str) -> tuple[str, str]:
    """What stands before the path, and the path with what is behind it."""
    cut = min((rest.find(each) for each in "/?#" if each in rest), default=len(rest))
    return rest[:cut], rest[cut:]


def _target(text: str, encoding: str) -> str:
    """Path and query in ASCII, without dots that lead up."""
    text = text.partition("#")[0]
    path, question, query = text.partition("?")
    path = path if path.startswith("/") else f"/{path}"
    data = f"{_without_dots(path)}{question}{query}".encode(encoding, "surrogateescape")
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in data)


def _without_dots(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    parts = path.split("/")[1:]
    for part in parts:
        if part == ".." and kept:
            kept.pop()
        elif part not in (".", ".."):
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def host_and_port(authority: str, default: int) -> tuple[str, int]:
    """What an authority, or a header Host, says; raises ValueError for what is none."""
    if "@" in authority:
        raise ValueError("it must not hold a user or a password; they are given apart")
    if _NOT_IN_HOST.intersection(authority) or not authority.isprintable():
        raise ValueError("its host has a character that no host has")
    host, port = authority, ""
    colon = authority.rfind(":")
    if colon > authority.rfind("]"):
        host, port = authority[:colon], authority[colon + 1 :]
        if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
            raise ValueError("its port is no number from 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1].replace("%25", "%", 1)
        is_good = ":" in host and not {"[", "]"}.intersection(host)
    else:
        is_good = host != "" and not {":", "[", "]"}.intersection(host)
    if not is_good:
        raise ValueError("it names no host")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError("its host has a character that no host has") from None
    return host, int(port) if port else default
