"""What a registry tells: the audit log, metrics, health, and webhooks that survive kill -9 on either side."""

import hmac
import json
import signal
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.registry.access import SignedClient, basic, guarded
from tests.registry.server import sha256
from tests.registry.test_access import program


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_for_each_request(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    with guarded(tmp_path, "--auth", "token", "--audit-log", str(log)) as server:
        alice = SignedClient(server.port, basic("alice"))
        alice.push_image("team/app", "v1", b"layer")
        before = len(lines(log))
        body = alice.ask("GET", "/v2/team/app/manifests/v1", User_Agent='x"}\t{"identity":"user:carol').body
        SignedClient(server.port, basic("carol", "guess-me")).ask("GET", "/v2/?secret=hunter2")
        alice.ask("DELETE", "/v2/team/app/manifests/v1")
        alice.ask("POST", "/token", "grant_type=password&username=alice&password=secret-a")
        SignedClient(server.port).ask("GET", "/no/such%0a%1bpage")
        until(lambda: len(lines(log)) == before + 5)
        pulled, guessed, refused, token, nowhere = lines(log)[before:]
        assert pulled["identity"] == "user:alice" and pulled["status"] == 200 and pulled["sent"] == len(body)
        assert (pulled["action"], pulled["repository"]) == ("pull", "team/app")
        assert pulled["userAgent"] == 'x"}\t{"identity":"user:carol'
        assert (guessed["identity"], guessed["status"], guessed["path"]) == ("anonymous", 401, "/v2/")
        assert (refused["identity"], refused["status"], refused["action"]) == ("user:alice", 403, "delete")
        assert token["received"] == 52 and nowhere["status"] == 404
        text = log.read_text()
        assert not any(secret in text for secret in ("hunter2", "guess-me", "secret-a", basic("alice")[6:]))
        assert "\x1b" not in text and len({entry["id"] for entry in lines(log)}) == len(lines(log))


def test_metrics_are_read_by_prometheus_and_say_what_happened(tmp_path: Path) -> None:
    with guarded(tmp_path) as server:
        carol = SignedClient(server.port, basic("carol"))
        carol.push_image("team/app", "v1", b"layer" * 1000)
        carol.ask("GET", f"/v2/team/app/blobs/{sha256(b'layer' * 1000)}")
        carol.ask("GET", "/v2/team/app/manifests/none")
        carol.ask("POST", "/v2/team/app/blobs/uploads/")
        assert SignedClient(server.port).ask("GET", "/metrics").status == 401
        assert SignedClient(server.port, basic("alice")).ask("GET", "/metrics").status == 403
        page = carol.ask("GET", "/metrics")
        assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        found = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(page.body.decode())
            for sample in family.samples
        }
        requests = "havre_registry_requests_total"
        assert found[requests, ("code", "404"), ("method", "GET"), ("route", "manifests")] == 1
        assert found[requests, ("code", "201"), ("method", "PUT"), ("route", "uploads")] == 2
        assert found["havre_registry_sent_bytes_total", ("route", "blobs")] >= 5000
        assert found["havre_registry_received_bytes_total", ("route", "uploads")] == 5002
        assert found["havre_registry_events_total", ("happening", "pushed"), ("kind", "manifest")] == 1
        duration = "havre_registry_request_duration_seconds_count"
        assert found[duration, ("method", "GET"), ("route", "blobs")] == 1
        stored = {
            name: found[f"havre_registry_{name}",] for name in ("repositories", "tags", "manifests", "blobs", "uploads")
        }
        assert stored == {"repositories": 1, "tags": 1, "manifests": 1, "blobs": 2, "uploads": 1}
        assert found["havre_registry_blob_bytes",] == 5002
        assert found["havre_registry_in_flight_requests",] == 1, "this one"
        assert found["havre_registry_disk_free_bytes",] > 0 and found["process_resident_memory_bytes",] > 1e6


def test_nobody_makes_metrics_grow(tmp_path: Path) -> None:
    with guarded(tmp_path, "--metrics-open") as server:
        nobody = SignedClient(server.port)
        known = len(nobody.ask("GET", "/metrics").body.splitlines())
        for number in range(30):
            nobody.ask(f"GET{number}" if number % 2 else "GET", f"/v2/repo{number}/page{number}/x{number}")
            nobody.ask("GET", f"/v2/repo{number}/tags/list", User_Agent=str(number))
        assert len(nobody.ask("GET", "/metrics").body.splitlines()) < known + 120


def test_health(tmp_path: Path) -> None:
    with guarded(tmp_path) as server:
        answer = SignedClient(server.port).ask("GET", "/healthz")
        assert (answer.status, answer.json) == (200, {"status": "ok"})
        assert SignedClient(server.port).ask("HEAD", "/healthz").status == 200


class Receiver:
    """A web server that takes events; ``failing`` makes it answer 500."""

    def __init__(self, port: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self.failing = False
        self.refused = 0
        self.bad_signatures = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                expected = "sha256=" + hmac.new(b"s3cret", body, "sha256").hexdigest()
                receiver.bad_signatures += self.headers["X-Hub-Signature-256"] != expected
                if receiver.failing:
                    receiver.refused += 1
                else:
                    receiver.events += json.loads(body)["events"]
                self.send_response(500 if receiver.failing else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def tags(self) -> list[str]:
        # An event may come again: it keeps its id.
        events = {event["id"]: event for event in self.events}.values()
        return [event["target"]["tag"] for event in events if event["target"].get("tag")]


def test_webhooks_arrive_also_when_either_side_dies(tmp_path: Path) -> None:
    receiver = Receiver()
    (tmp_path / "secret").write_text("s3cret\n")
    settings = tmp_path / "registry.toml"
    settings.write_text(
        f'[[webhooks]]\nurl = "http://127.0.0.1:{receiver.port}/hook?key=x"\nsecret-file = "{tmp_path}/secret"\n'
        'actions = ["push", "pull", "mount", "delete"]\n'
    )
    with guarded(tmp_path, "--config", str(settings)) as server:
        carol = SignedClient(server.port, basic("carol"))
        digest = carol.push_image("team/app", "v1", b"layer")
        blob = sha256(b"layer")
        carol.ask("POST", f"/v2/team/other/blobs/uploads/?mount={blob}&from=team/app")
        carol.ask("GET", "/v2/team/app/manifests/v1", User_Agent="tester")
        carol.ask("DELETE", "/v2/team/app/manifests/v1")
        until(lambda: len(receiver.events) >= 6)
        by_action = {(e["action"], e["target"]["repository"], e["target"].get("tag", "")): e for e in receiver.events}
        pushed = by_action["push", "team/app", "v1"]
        assert pushed["target"]["digest"] == digest and pushed["actor"] == {"name": "carol"}
        assert pushed["target"]["url"] == f"http://127.0.0.1:{server.port}/v2/team/app/manifests/{digest}"
        mounted = by_action["mount", "team/other", ""]["target"]
        assert (mounted["fromRepository"], mounted["digest"]) == ("team/app", blob)
        assert by_action["pull", "team/app", "v1"]["request"]["useragent"] == "tester"
        assert ("delete", "team/app", "v1") in by_action

        receiver.failing = True
        for number in range(5):
            began = time.monotonic()
            carol.push_image("team/app", f"fail{number}", b"layer")
            assert time.monotonic() - began < 30, "a push waits for no receiver"
        until(lambda: receiver.refused > 0)
        server.kill(signal.SIGKILL)
        receiver.close()
        server.start()
        again = Receiver(receiver.port)
        carol = SignedClient(server.port, basic("carol"))
        carol.push_image("team/app", "after", b"layer")
        until(lambda: "after" in again.tags())
        assert [tag for tag in again.tags() if tag.startswith("fail")] == [f"fail{number}" for number in range(5)]
        assert not receiver.bad_signatures and not again.bad_signatures
        assert "key=x" not in server.log()
        again.close()


def test_webhooks_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for text, named in (
        ("[webhooks]\nurl = 'http://x'\n", "Expected `array`"),
        ("[[webhooks]]\nurl = 'ftp://x'\n", "begins with http"),
        ("[[webhooks]]\nurl = 'http://x'\nactions = ['fly']\n", "'fly'"),
        ("[[webhooks]]\nurl = 'http://x'\ncolour = 'red'\n", "unknown field `colour`"),
        ("[[webhooks]]\nurl = 'http://x'\n[[webhooks]]\nurl = 'http://x'\n", "same url"),
        ("[[webhooks]]\nurl = 'http://x'\nsecret-file = '/nowhere'\n", "secret-file"),
        ("[[webhooks]]\nurl = 'http://x'\ntimeout = true\n", "timeout"),
        ("[[webhooks]]\nurl = 'http://x'\nsecret = 'x'\nsecret-file = '/x'\n", "set one"),
    ):
        (tmp_path / "registry.toml").write_text(text)
        done = program(
            "serve",
            "--root",
            str(tmp_path / "root"),
            "--addr",
            "127.0.0.1:0",
            "--config",
            str(tmp_path / "registry.toml"),
        )
        assert done.returncode == 1 and named in done.stderr, (text, done.stderr)
