from ocfkit import Daemon, monitor, param


class Web(Daemon):
    """Serve the folder /srv over HTTP."""

    port = param.port("TCP port to listen on.", default=8080, unique="port")

    def command(self) -> list[str]:
        return ["python3", "-m", "http.server", str(self.port), "--directory", "/srv"]

    def listens_on(self) -> int:
        return self.port

    @monitor.depth(10)
    def page_comes_back(self) -> None:
        from urllib.request import urlopen  # here, because it costs 25 ms to load

        urlopen(f"http://127.0.0.1:{self.port}/", timeout=self.deadline.left()).close()
