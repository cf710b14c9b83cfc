"""Running it: reload, drain, trouble with the disk, the command line, what a newcomer pastes."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unittest

from harness import (MANAGEMENT_KEY, PATIENCE_S, Gateway, Mock, binary, chat_body, cli, config, environment, finish,
                     plan, temp_dir, wait_for, yaml)

CHAT = "/api/v1/chat/completions"


def setUpModule():
    global mock
    mock = Mock()


def tearDownModule():
    mock.stop()
    finish()


def with_model(settings, name):
    model = json.loads(json.dumps(settings["models"][0])) | {"id": name}
    return settings | {"models": settings["models"] + [model]}


class Load:
    """Clients that send whole and streamed requests until stopped; failures are kept."""

    def __init__(self, gateway, threads=4):
        self.gateway, self.stop_event = gateway, threading.Event()
        self.done, self.failures = 0, []
        self.threads = [threading.Thread(target=self._run, args=(i,)) for i in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop_event.set()
        for thread in self.threads:
            thread.join()

    def _run(self, number):
        try:
            with self.gateway.connect() as raw:
                while not self.stop_event.is_set():
                    stream = (self.done + number) % 2 == 0
                    raw.request("POST", CHAT, chat_body(plan(delay=0.005, chunks=3, gap=0.002), stream))
                    r = raw.response()
                    if r.status != 200 or stream and r.events()[-1] != "[DONE]":
                        self.failures.append(r)
                    self.done += 1
        except Exception as error:  # noqa: BLE001: whatever it is, the request failed
            self.failures.append(error)


class Reload(unittest.TestCase):
    def test_under_load(self):
        gateway = Gateway(config(mock)).start()
        with Load(gateway) as load:
            for i in range(8):
                gateway.write_config(with_model(gateway.settings, f"test/added-{i}"))
                gateway.reload()
                self.assertEqual(gateway.chat("x", model=f"test/added-{i}").status, 200)
                wait_for(lambda done=load.done: load.done > done + 5, "requests to go on")
        self.assertEqual(load.failures, [])
        ids = [m["id"] for m in gateway.call("GET", "/api/v1/models").json["data"]]
        self.assertIn("test/added-7", ids)
        self.assertEqual(gateway.stop(), 0)

    def test_a_stream_keeps_the_configuration_it_began_with(self):
        other = Mock()
        gateway = Gateway(config(mock)).start()
        with gateway.connect() as raw:
            raw.request("POST", CHAT, chat_body(plan(chunks=10, gap=0.1), True))
            raw.response_head()
            raw.chunk()
            settings = config(other, data_dir=gateway.data_dir)
            gateway.write_config(settings | {"models": [settings["models"][0] | {"id": "test/other"}]})
            gateway.reload()
            self.assertEqual(gateway.chat("x").status, 400)
            self.assertEqual(gateway.chat("x", model="test/other").status, 200)
            self.assertEqual(len(other.seen), 1)
            data = b""
            while chunk := raw.chunk():
                data += chunk
            self.assertTrue(data.endswith(b"data: [DONE]\n\n"), data[-200:])
        self.assertEqual(gateway.stop(), 0)
        other.stop()

    def test_keys_of_the_configuration_come_and_go(self):
        gateway = Gateway(config(mock)).start()
        new = "sk-test-another-0123456789"
        self.assertEqual(gateway.chat("x", key=new).status, 401)
        gateway.write_config(gateway.settings | {
            "auth": {"management_key": MANAGEMENT_KEY, "keys": [{"name": "another", "key": new}]}})
        gateway.reload()
        wait_for(lambda: gateway.chat("x", key=new).status == 200, "the new key to work")
        self.assertEqual(gateway.chat("x").status, 401)
        self.assertEqual(gateway.stop(), 0)

    def test_bad_configuration_leaves_the_old_one(self):
        gateway = Gateway(config(mock)).start()
        good = yaml(gateway.settings)
        for bad, word in ((good.replace("max_completion_tokens", "max_completion_tokns"), "max_completion_tokns"),
                          ("server: [", ""), (good + "\nnonsense: 1\n", "nonsense"), ("\0\xff", ""), ("7", "")):
            with self.subTest(repr(bad[-40:])):
                before = gateway.stderr()
                gateway.write_text(bad)
                gateway.signal(signal.SIGHUP)
                wait_for(lambda: "reload refused" in gateway.stderr()[len(before):], "the refusal", 10)
                said = gateway.stderr()[len(before):]
                self.assertRegex(said, re.escape(gateway.config_path) + r":\d+:\d+: ")
                self.assertIn(word, said)
                self.assertEqual(gateway.chat("x").status, 200)
        os.unlink(gateway.config_path)
        gateway.signal(signal.SIGHUP)
        wait_for(lambda: gateway.stderr().count("reload refused") == 6, "the refusal of no file", 10)
        self.assertEqual(gateway.chat("x").status, 200)
        gateway.write_text(good)
        gateway.reload()
        self.assertEqual(gateway.chat("x").status, 200)
        self.assertEqual(gateway.stop(), 0)


    def test_many_reloads_leave_nothing_behind(self):
        gateway = Gateway(config(mock)).start()

        def storm(n):
            for _ in range(n):
                gateway.reload()
                gateway.chat("x")

        storm(30)
        before = gateway.rss_kb()
        storm(60)
        self.assertLess(gateway.rss_kb() - before, 8 * 1024)
        self.assertLess(len(os.listdir(f"/proc/{gateway.pid()}/fd")), 60)
        self.assertEqual(gateway.stop(), 0)


class Descriptors(unittest.TestCase):
    def test_none_left_for_a_while(self):
        """Out of descriptors the gateway waits without burning the processor, and goes on when there are some."""
        gateway = Gateway(config(mock)).start()
        in_use = len(os.listdir(f"/proc/{gateway.pid()}/fd"))
        early = gateway.connect()
        crowd = [early]
        early.request("GET", "/healthz")
        self.assertEqual(early.response().status, 200)
        resource.prlimit(gateway.pid(), resource.RLIMIT_NOFILE, (in_use + 20, in_use + 20))
        try:
            for _ in range(60):
                raw = gateway.connect(5)
                raw.send(b"GET /heal")
                crowd.append(raw)
            time.sleep(0.5)
            before = cpu_seconds(gateway.pid())
            time.sleep(2)
            self.assertLess(cpu_seconds(gateway.pid()) - before, 0.5, "it spins")
            # Some are kept back: who is connected is served, which takes a connection to the provider.
            early.request("POST", "/api/v1/chat/completions", chat_body("x"))
            self.assertEqual(early.response().status, 200)
        finally:
            for raw in crowd:
                raw.close()
        wait_for(lambda: gateway.call("GET", "/healthz").status == 200, "it to go on")
        self.assertEqual(gateway.chat("x").status, 200)
        self.assertEqual(gateway.stop(), 0)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Stop(unittest.TestCase):
    def test_signals_at_any_moment(self):
        """SIGTERM and SIGHUP right after exec, and twice: a clean end, or none begun."""
        for pause in (0, 0.005, 0.01, 0.02, 0.05):
            gateway = Gateway(config(mock)).spawn()
            time.sleep(pause)
            gateway.signal(signal.SIGTERM)
            gateway.signal(signal.SIGTERM)
            status = gateway.process.wait(PATIENCE_S)
            self.assertIn(status, (0, -signal.SIGTERM))
            gateway.expect_status = status
            gateway.start()
            gateway.expect_status = 0
            gateway.signal(signal.SIGHUP)
            gateway.signal(signal.SIGTERM)
            self.assertEqual(gateway.stop(), 0)

    def test_sigterm_drains_a_stream(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            gateway = Gateway(config(mock)).start()
            idle = gateway.connect()
            idle.request("GET", "/healthz")
            idle.response()
            with gateway.connect() as raw:
                raw.request("POST", CHAT, chat_body(plan(chunks=10, gap=0.1, text="piece "), True))
                self.assertEqual(raw.response_head().status, 200)
                raw.chunk()
                gateway.signal(number)
                self.assertTrue(idle.is_closed())
                with self.assertRaises(OSError):  # no new ones
                    wait_for(lambda: gateway.connect(1).close(), "the listener to close", 5)
                data = b""
                while chunk := raw.chunk():
                    data += chunk
                self.assertTrue(data.endswith(b"data: [DONE]\n\n"), data[-200:])
                self.assertTrue(raw.is_closed())
            self.assertEqual(gateway.stop(), 0)
            self.assertEqual(gateway.rows("SELECT count(*), max(fault) FROM generations"), [(1, None)])

    def test_drain_has_an_end(self):
        gateway = Gateway(config(mock, server={"drain_timeout_ms": 500})).start()
        with gateway.connect() as raw:
            raw.request("POST", CHAT, chat_body(plan(chunks=1000, gap=0.2), True))
            raw.response_head()
            raw.chunk()
            began = time.monotonic()
            self.assertEqual(gateway.stop(), 0)
            self.assertLess(time.monotonic() - began, 10)
            rest = raw.rest()
            self.assertNotIn(b"[DONE]", rest)
        self.assertEqual(gateway.rows("SELECT count(*) FROM generations"), [(1,)])

    def test_sigterm_under_load_loses_no_answer(self):
        gateway = Gateway(config(mock)).start()
        with Load(gateway) as load:
            wait_for(lambda: load.done > 50, "some requests")
            self.assertEqual(gateway.stop(), 0)
        # A kept connection may close between two requests; an answer begun must be whole.
        for failure in load.failures:
            self.assertRegex(str(failure), r"connection closed; unread: b''|Connection re|Broken pipe|Bad file|503")
        self.assertEqual(gateway.rows("SELECT count(*) FROM generations WHERE status = 200 AND fault IS NULL"),
                         [(load.done,)])


class DataDir(unittest.TestCase):
    def refused_to_start(self, settings, *words, env=None):
        gateway = Gateway(settings, env=env, expect_status=1).spawn()
        self.assertEqual(gateway.process.wait(PATIENCE_S), 1)
        for word in words:
            self.assertIn(word, gateway.stderr())
        return gateway

    def test_second_gateway_on_it(self):
        gateway = Gateway(config(mock)).start()
        self.refused_to_start(config(mock, data_dir=gateway.data_dir), "another signalbox", gateway.data_dir)
        self.assertEqual(gateway.chat("x").status, 200)
        self.assertEqual(gateway.stop(), 0)

    def test_is_a_file(self):
        path = os.path.join(temp_dir(), "file")
        pathlib.Path(path).write_text("precious")
        self.refused_to_start(config(mock, data_dir=path), path)
        self.assertEqual(pathlib.Path(path).read_text(), "precious")

    def test_cannot_be_made_or_written(self):
        self.refused_to_start(config(mock, data_dir="/proc/signalbox"), "/proc/signalbox")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_read_only(self):
        path = temp_dir()
        os.chmod(path, 0o500)
        self.refused_to_start(config(mock, data_dir=path), path, "right to write")
        os.chmod(path, 0o700)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount"), "needs root to mount")
    def test_read_only_file_system(self):
        path = temp_dir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", path], capture_output=True).returncode:
            self.skipTest("mount is not allowed here")
        try:
            self.refused_to_start(config(mock, data_dir=path), path)
        finally:
            subprocess.run(["umount", path], check=True)

    def test_corrupt_database(self):
        gateway = Gateway(config(mock)).start()
        gateway.chat("x")
        self.assertEqual(gateway.stop(), 0)
        path = pathlib.Path(gateway.data_dir, "signalbox.db")
        good = path.read_bytes()
        for bad in (b"This is not a database." * 1000, good[:100] + os.urandom(len(good) - 100)):
            path.write_bytes(bad)
            refused = self.refused_to_start(config(mock, data_dir=gateway.data_dir), "signalbox.db", "damaged")
            self.assertEqual(path.read_bytes(), bad, "the file was changed")
            self.assertIn("aside", refused.stderr())
        path.write_bytes(good)
        gateway.start()
        self.assertEqual(gateway.rows("SELECT count(*) FROM generations"), [(1,)])
        self.assertEqual(gateway.stop(), 0)

    def test_newer_database(self):
        gateway = Gateway(config(mock)).start()
        self.assertEqual(gateway.stop(), 0)
        db = sqlite3.connect(os.path.join(gateway.data_dir, "signalbox.db"))
        db.execute("PRAGMA user_version = 999")
        db.commit()
        db.close()
        self.refused_to_start(config(mock, data_dir=gateway.data_dir), "newer")

    def test_damaged_pepper(self):
        gateway = Gateway(config(mock)).start()
        self.assertEqual(gateway.stop(), 0)
        pathlib.Path(gateway.data_dir, "pepper").write_bytes(b"short")
        self.refused_to_start(config(mock, data_dir=gateway.data_dir), "pepper")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount"), "needs root to mount a small tmpfs")
    def test_disk_full(self):
        """With a full disk requests are served while the spool has room, then refused clearly; nothing is lost."""
        path = temp_dir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", path], capture_output=True).returncode:
            self.skipTest("mount is not allowed here")
        gateway = Gateway(config(mock, data_dir=path, server={"workers": 1}))
        try:
            gateway.start()
            answered = [gateway.chat("x").id for _ in range(5)]
            with open(os.path.join(path, "filler"), "wb") as filler:
                try:
                    while True:
                        filler.write(b"x" * 65536)
                        filler.flush()
                except OSError:
                    pass
            refused = None
            with gateway.connect() as raw:
                # Long texts of the client's: rows are large, and the spool's room is used up soon.
                fields = {"HTTP-Referer": "r" * 200, "X-Title": "t" * 200, "User-Agent": "u" * 200, "X-Session-Id": "s" * 256}
                body = chat_body("x", user="e" * 1000)
                end = time.monotonic() + 20
                while time.monotonic() < end:
                    raw.request("POST", CHAT, body, headers=fields)
                    r = raw.response()
                    if r.status != 200:
                        refused = r
                        break
                    answered.append(r.id)
            if refused:
                self.assertEqual((refused.status, refused.json["error"]["code"]), (503, 503), refused)
                self.assertIn("disk", refused.json["error"]["message"])
                self.assertEqual(gateway.call("GET", "/readyz").status, 503)
                self.assertEqual(gateway.call("GET", "/healthz").status, 200)
            print(f"     disk full: {len(answered)} answered, then {refused and refused.status}")
            os.unlink(os.path.join(path, "filler"))
            wait_for(lambda: gateway.chat("x").status == 200, "requests to work again", 20)
            wait_for(lambda: gateway.generation(answered[-1]).status == 200, "the rows to be written", 20)
            rows = [i for i, in gateway.rows("SELECT id FROM generations")]
            self.assertEqual(len(rows), len(set(rows)))
            self.assertEqual(set(answered) - set(rows), set())
            self.assertEqual(gateway.stop(), 0)
        finally:
            gateway.kill()
            subprocess.run(["umount", "-l", path], check=True)

    def test_killed_right_after_start(self):
        gateway = Gateway(config(mock))
        for _ in range(10):
            gateway.spawn()
            time.sleep(0.02)
            gateway.kill()
        gateway.start()
        self.assertEqual(gateway.chat("x").status, 200)
        self.assertEqual(gateway.stop(), 0)


class Ports(unittest.TestCase):
    def test_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            gateway = Gateway(config(mock, server={"listen": f"127.0.0.1:{port}"}), expect_status=1).spawn()
            self.assertEqual(gateway.process.wait(PATIENCE_S), 1)
            self.assertIn(str(port), gateway.stderr())
            self.assertIn("in use", gateway.stderr())

    def test_two_gateways_do_not_share_a_port(self):
        """SO_REUSEPORT is for the loops of one process: a second one must not take half of the requests."""
        first = Gateway(config(mock)).start()
        second = Gateway(config(mock, server={"listen": f"127.0.0.1:{first.port}"}), expect_status=1).spawn()
        try:
            status = second.process.wait(5)
        except subprocess.TimeoutExpired:
            second.kill()
            self.fail("a second gateway has started on the same port")
        self.assertEqual(status, 1)
        self.assertIn("in use", second.stderr())
        self.assertEqual(first.stop(), 0)

    def test_unix_socket(self):
        path = os.path.join(temp_dir(), "http.sock")
        gateway = Gateway(config(mock, server={"listen": ["127.0.0.1:0", f"unix:{path}"]})).start()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(path)
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertIn(b"200 OK", s.recv(4096))
        self.assertEqual(gateway.stop(), 0)
        self.assertFalse(os.path.exists(path))
        # What a killed one left behind is no obstacle.
        gateway.start()
        gateway.kill()
        self.assertTrue(os.path.exists(path))
        gateway.start()
        self.assertEqual(gateway.stop(), 0)


class CommandLine(unittest.TestCase):
    commands = ("serve", "check", "keys", "usage", "models", "providers")

    def test_help(self):
        for words in ((), *((c,) for c in self.commands)):
            for flag in ("--help", "-h"):
                with self.subTest(f"{words} {flag}"):
                    done = cli(*words, flag)
                    self.assertIn("usage", done.stdout)
                    self.assertEqual(done.stderr, "")
        self.assertRegex(cli("--version").stdout, r"^signalbox \d+\.\d+")

    def test_wrong_usage_is_2(self):
        for words in ((), ("nonsense",), *((c, "--nonsense") for c in self.commands), ("serve", "extra"), ("keys",),
                      ("keys", "explode"), ("keys", "create", "--limit"), ("keys", "create", "a", "b"),
                      ("keys", "create", "x", "--limit", "much"), ("keys", "create", "x", "--expires", "soon"),
                      ("usage", "-n", "x"), ("serve", "-c"), ("check", "-c")):
            with self.subTest(" ".join(words)):
                done = cli(*words, status=2)
                self.assertTrue(done.stderr)

    def test_failure_is_1(self):
        for words in (("serve", "-c", "/nowhere.yaml"), ("check", "-c", "/nowhere.yaml"), ("keys", "list", "-c", "/nowhere.yaml"),
                      ("usage", "-c", "/nowhere.yaml"), ("models", "-c", "/nowhere.yaml"),
                      ("keys", "delete", "nobody")):
            with self.subTest(" ".join(words)):
                self.assertTrue(cli(*words, status=1).stderr)

    def test_check(self):
        path = os.path.join(temp_dir(), "c.yaml")
        good = yaml(config("http://127.0.0.1:1/v1"))
        pathlib.Path(path).write_text(good)
        cli("check", "-c", path)
        pathlib.Path(path).write_text(json.dumps(config("http://127.0.0.1:1/v1")))
        cli("check", "-c", path)
        pathlib.Path(path).write_text("server:\n  listn: x\n  workers: many\nmodels: 7\nproviders:\n  - protocol: openai\n")
        done = cli("check", "-c", path, status=1)
        places = re.findall(re.escape(path) + r":(\d+):\d+: ", done.stdout + done.stderr)
        self.assertEqual(sorted(set(map(int, places)))[:3], [2, 3, 4])
        self.assertGreaterEqual(len(places), 4, "every problem at once")
        json.loads(cli("check", "--json", "-c", path, status=1).stdout)

    def test_json_output(self):
        path = os.path.join(temp_dir(), "c.yaml")
        pathlib.Path(path).write_text(yaml(config("http://127.0.0.1:1/v1", data_dir=temp_dir())))
        for command in (("models",), ("providers",), ("keys", "list"), ("usage",)):
            with self.subTest(command):
                json.loads(cli(*command, "--json", "-c", path).stdout)


class Probes(unittest.TestCase):
    def test_health_ready_metrics(self):
        gateway = Gateway(config(mock)).start()
        self.assertEqual(gateway.call("GET", "/healthz", key=None).status, 200)
        self.assertEqual(gateway.call("GET", "/readyz", key=None).status, 200)
        before = gateway.metrics()
        for stream in (False, True):
            gateway.chat(plan(usage=(100, 50)), stream=stream)
        gateway.chat("x", model="no/model")
        gateway.chat(plan(status=500))
        after = gateway.metrics()
        moved = {k: after[k] - before.get(k, 0) for k in after if after[k] != before.get(k, 0)}

        def moved_by(name):
            return sum(v for k, v in moved.items() if k.split("{")[0].endswith(name))

        self.assertEqual(moved_by("inference_requests_total"), 4, moved)
        self.assertEqual(moved_by("upstream_attempts_total"), 3, moved)
        self.assertEqual(moved_by("prompt_tokens_total"), 200, moved)
        self.assertEqual(moved_by("completion_tokens_total"), 100, moved)
        self.assertEqual(moved_by("cost_picodollars_total"), 2 * (100 * 150000 + 50 * 600000), moved)
        text = gateway.call("GET", "/metrics").text
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) \w+ .+|\w+(\{[^}]*\})? [-+0-9.eInf]+)$")
        self.assertEqual(gateway.stop(), 0)

    def test_gateway_time_is_told(self):
        gateway = Gateway(config(mock)).start()
        for stream in (False, True):
            r = gateway.chat(plan(delay=0.3), stream=stream)
            own = re.fullmatch(r"gw;dur=(\d+\.\d+)", r.field("server-timing"))
            self.assertLess(float(own[1]), 250, "the provider's time was counted")
        self.assertEqual(gateway.stop(), 0)


class FirstStart(unittest.TestCase):
    def start_bare(self, directory, env=None):
        """Without any configuration, as a newcomer does."""
        out = open(os.path.join(directory, "out"), "w+")
        env = environment({"SIGNALBOX_LISTEN": "127.0.0.1:0", "SIGNALBOX_DATA_DIR": os.path.join(directory, "data")} | (env or {}))
        process = subprocess.Popen([binary(), "serve"], cwd=directory, env=env, stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.addCleanup(out.close)
        self.addCleanup(process.kill)
        path = pathlib.Path(directory, "out")
        wait_for(lambda: "is running" in path.read_text() and path.read_text().endswith("\n\n"), "the banner")
        return process, path.read_text()

    @unittest.skipUnless(shutil.which("curl"), "needs curl")
    def test_pasted_curl_works(self):
        directory = temp_dir()
        process, banner = self.start_bare(directory)
        command = banner[banner.index("  curl "):]
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=PATIENCE_S,
                              env=environment({"NO_PROXY": "*"}))
        self.assertEqual(done.returncode, 0, done.stderr)
        reply = json.loads(done.stdout)
        self.assertIn("Hello", reply["choices"][0]["message"]["content"])
        self.assertIn("sk-sb-mgmt-", banner)
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        # Keys are shown once.
        process, banner = self.start_bare(directory)
        self.assertNotRegex(banner, r"sk-sb-v1-[\w-]{30}")
        self.assertNotRegex(banner, r"sk-sb-mgmt-[\w-]{30}")
        process.terminate()
        self.assertEqual(process.wait(PATIENCE_S), 0)
        self.assertNotIn("Sanitizer", pathlib.Path(directory, "out").read_text())
