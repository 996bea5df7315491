"""Containers with a network of their own: reached by URL, by each other, and nothing else reached."""

import os
import signal
import socket
import threading

import pytest

from support import images, web as http
from support.waiting import until

SERVE = 'exec httpd -f -p "${HOST:-0.0.0.0}:$PORT" -h /srv/www'
ECHO = 'exec nc -ll -p "$PORT" -e cat'
UPGRADE = r"""exec nc -ll -p "$PORT" -e /bin/sh -c '
while read -r line && [ ${#line} -gt 1 ]; do :; done
printf "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
exec cat'"""
# What `locald exec` runs inside: the page of a service, by HTTP/1.0.
GET = 'printf "GET / HTTP/1.0\\r\\n\\r\\n" | nc -w 5 {host} {port}'
GREETING = "hello from a container"


@pytest.fixture(scope="module")
def store(shared_sandbox, build):
    # `svc` is an applet of busybox, too.
    programs = {"locald-svc": build / "tests/support/svc"}
    tar = images.busybox_tar(shared_sandbox.root / "base.tar", programs)
    shared_sandbox.run("image", "import", str(tar), "base")
    return shared_sandbox


def container(name, command, extra=""):
    return f"""
        [services.{name}]
        image = "base"
        command = '''{command}'''
        {extra}
    """


def inside(project, service, script, **options):
    return project.run("exec", service, "--", "sh", "-c", script, **options).out


def connect(service, timeout=20):
    return socket.create_connection(("127.0.0.1", service["port"]), timeout)


def is_refused(service):
    try:
        connect(service).close()
    except ConnectionRefusedError:
        return True
    return False


def read_all(sock):
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def test_a_network_of_its_own_is_the_default(store):
    project = store.project(container("web", SERVE), name="own")
    project.up()
    service = project.service("web")
    assert http.get(service["url"]).text.strip() == GREETING
    network = inside(project, "web", "readlink /proc/self/ns/net").strip()
    assert network.startswith("net:") and network != os.readlink("/proc/self/ns/net")
    table = inside(project, "web", "cat /proc/net/tcp").splitlines()[1:]
    listening = [line for line in table if line.split()[3] == "0A"]
    assert len(listening) == 1 and f":{service['port']:04X} " in listening[0], listening
    project.run("stop")
    until(lambda: is_refused(service), what="the relay has heard of the end")


def test_sys_shows_the_interfaces_of_that_network_alone(store):
    project = store.project(
        container("own", "exec sleep 1000", 'type = "worker"')
        + container("shared", "exec sleep 1000", 'type = "worker"\nnetwork = "host"'), name="sysfs")
    project.up()
    look = "ls /sys/class/net; sed -n 's/^ *\\([^ ]*\\):.*/\\1/p' /proc/net/dev"
    names = inside(project, "own", look).split()
    half = len(names) // 2
    assert "lo" in names[:half] and sorted(names[:half]) == sorted(names[half:]), names
    assert "ead-only" in inside(project, "own", "mkdir /sys/x 2>&1 || true")
    shared = inside(project, "shared", "ls /sys/class/net").split()
    assert sorted(shared) == sorted(os.listdir("/sys/class/net"))
    if set(shared) != {"lo"}:
        assert sorted(names[:half]) != sorted(shared), "it has one of its own"
    project.run("stop")


def test_two_containers_on_one_port_inside(store):
    project = store.project(
        container("a", 'echo I am a > /srv/www/index.html; ' + SERVE, "container_port = 3000")
        + container("b", 'echo I am b > /srv/www/index.html; ' + SERVE, "container_port = 3000"),
        name="twins")
    project.up()
    for name in "ab":
        service = project.service(name)
        assert service["port"] != 3000
        assert http.get(service["url"]).text == f"I am {name}\n"
        assert inside(project, name, "echo $PORT").strip() == "3000"
    # The port that both need is their own; the other is reached at the port it has outside.
    port = project.service("b")["port"]
    assert "I am b" in inside(project, "a", GET.format(host="b", port=port))
    assert "I am a" in inside(project, "a", GET.format(host="127.0.0.1", port=3000))
    project.run("stop")


def test_services_call_each_other_by_name(store):
    project = store.project(
        container("web", SERVE, """
        container_port = 8000
        depends_on = ["db", "api"]
        env = { DB = "${services.db.host}:${services.db.port}", API = "${services.api.url}", SELF = "${services.web.url}" }
        """)
        + container("db", ECHO, "container_port = 5432")
        + """
        [services.api]
        command = "exec python3 -m http.server --bind 127.0.0.1 $PORT"

        [services.caller]
        command = 'exec sleep 1000'
        type = "worker"
        env = { DB = "${services.db.host}:${services.db.port}" }
        """, name="names")
    project.write("index.html", "on the host\n")
    project.up()
    services = project.services()
    env = dict(line.split("=", 1) for line in inside(project, "web", "env").splitlines() if "=" in line)
    assert env["DB"] == f"db:{services['db']['port']}"
    assert env["API"] == f"http://api:{services['api']['port']}"
    assert env["SELF"] == "http://127.0.0.1:8000"
    # container -> host service, by name and port
    assert "on the host" in inside(project, "web", GET.format(host="api", port=services["api"]["port"]))
    # container -> container, at the port of the reference and at the port inside
    for port in (services["db"]["port"], 5432):
        assert inside(project, "web", f"echo hi | nc -w 5 db {port}").strip() == "hi"
    # host -> container
    text = project.run("exec", "caller", "--", "sh", "-c", "echo $DB").out.strip()
    assert text == f"127.0.0.1:{services['db']['port']}"
    with connect(services["db"]) as sock:
        sock.sendall(b"from the host")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"from the host"
    # A service that is down is refused, not waited for.
    project.run("stop", "api")
    port = services["api"]["port"]
    assert inside(project, "web", f"echo | nc -w 5 api {port} 2>/dev/null || true") == ""
    project.run("stop")


def test_nothing_else_is_reached(store):
    project = store.project(container("web", SERVE) + container("other", SERVE, "container_port = 4000"),
                            name="alone")
    stranger = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0locald-test-{store.tag}")
    abstract.listen()
    try:
        project.up()
        port = stranger.getsockname()[1]
        refused = f"echo | nc -w 2 127.0.0.1 {port}"
        assert project.attempt("exec", "web", "--", "sh", "-c", refused).status != 0
        # The other container's own port, and the proxy's, are not on our loopback.
        for port in (4000, project.service("other")["port"], store.proxy_port()):
            refused = f"echo | nc -w 2 127.0.0.1 {port}"
            assert project.attempt("exec", "web", "--", "sh", "-c", refused).status != 0, port
        sockets = inside(project, "web", "cat /proc/net/unix")
        assert "locald-test" not in sockets and "daemon.sock" not in sockets, sockets
        assert inside(project, "web", f"ls {store.root} 2>&1 || true").strip().endswith("No such file or directory")
    finally:
        stranger.close()
        abstract.close()
    project.run("stop")


def test_a_websocket_goes_through(store):
    project = store.project(container("echo", UPGRADE), name="upgraded")
    project.up()
    channel = http.WebSocket(project.service("echo")["url"])
    assert channel.status == 101
    for text in (b"one", b"two" * 1000):
        channel.socket.sendall(text)
        assert channel.stream.read(len(text)) == text
    channel.socket.close()
    project.run("stop")


def test_half_close_and_megabytes(store):
    project = store.project(container("echo", ECHO), name="halves")
    project.up()
    data = bytes(range(256)) * 16384  # 4 MiB
    with connect(project.service("echo"), 60) as sock:
        def send():
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = read_all(sock)
        sender.join()
    assert len(got) == len(data) and got == data
    project.run("stop")


def test_a_thousand_connections(store):
    project = store.project(container("web", "exec locald-svc listen , wait"), name="many")
    project.up()
    service = project.service("web")
    for _ in range(10):
        sockets = [connect(service, 60) for _ in range(100)]
        for sock in sockets:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        for sock in sockets:
            assert b" 200 OK" in read_all(sock)
            sock.close()
    project.run("stop")


def test_connections_go_on_without_a_daemon(store):
    project = store.project(container("echo", ECHO) + container("web", SERVE), name="killed")
    project.up()
    service, pid = project.service("echo"), project.service("echo")["pid"]
    url = project.service("web")["url"]
    with connect(service) as sock:
        sock.sendall(b"before\n")
        assert sock.recv(100) == b"before\n"
        store.kill_daemon()
        sock.sendall(b"while\n")
        assert sock.recv(100) == b"while\n"
        # New ones, more than there were sockets for, and through the proxy.
        for _ in range(40):
            with connect(service) as another:
                another.sendall(b"new\n")
                assert another.recv(100) == b"new\n"
        assert http.get(url).text.strip() == GREETING
        assert project.service("echo")["pid"] == pid
        sock.sendall(b"after\n")
        assert sock.recv(100) == b"after\n"
    project.run("restart", "echo")
    with connect(project.service("echo")) as sock:
        sock.sendall(b"again\n")
        assert sock.recv(100) == b"again\n"
    project.run("stop")


class Caller(threading.Thread):
    """Connects, asks and reads the answer, again and again, until it is stopped."""

    def __init__(self, service):
        super().__init__()
        self.service, self.answered, self.failures = service, 0, []
        self.is_over = threading.Event()
        self.start()

    def run(self):
        while not self.is_over.is_set():
            try:
                with connect(self.service) as sock:
                    sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    assert b" 200 OK" in read_all(sock)
                    self.answered += 1
            except (OSError, AssertionError) as failure:
                self.failures.append(repr(failure))

    def stop(self):
        self.is_over.set()
        self.join()


def test_a_killed_daemon_while_connections_flow(store):
    project = store.project(container("web", "exec locald-svc listen , wait"), name="flow")
    project.up()
    caller = Caller(project.service("web"))
    try:
        for _ in range(3):
            before = caller.answered
            until(lambda: caller.answered > before + 50)
            store.kill_daemon()
            killed = caller.answered
            until(lambda: caller.answered > killed + 50)
            until(lambda: project.service("web")["ready"], what="the next daemon sees it ready")
    finally:
        caller.stop()
    assert not caller.failures, caller.failures[:5]
    project.run("stop")


def test_another_port_is_found_and_told(store):
    project = store.project(
        container("web", "exec httpd -f -p 0.0.0.0:8080 -h /srv/www"), name="elsewhere")
    project.up()
    service = project.service("web")
    assert any("container_port = 8080" in text for text in service["warnings"]), service
    assert http.get(service["url"]).text.strip() == GREETING
    project.run("stop")


def test_programs_that_listen_on_ipv6_only(store):
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6")
    project = store.project(
        container("web", 'exec httpd -f -p "[::1]:$PORT" -h /srv/www')
        + """
        [services.api]
        command = "exec python3 -m http.server --bind ::1 $PORT"
        """, name="six")
    project.write("index.html", "on the host\n")
    project.up()
    for _ in range(3):
        assert http.get(project.service("web")["url"]).text.strip() == GREETING
    port = project.service("api")["port"]
    assert "on the host" in inside(project, "web", GET.format(host="api", port=port))
    project.run("stop")


@pytest.mark.parametrize("path, ready", [("/", True), ("/missing", False)])
def test_an_http_check_asks_inside(store, path, ready):
    project = store.project(
        container("web", SERVE, f'container_port = 80\nuser = "app"\n'
                                f'health_check = {{ type = "http", path = "{path}" }}'),
        name=f"checked-{ready}".lower())
    up = project.popen("up")
    if not ready:
        until(lambda: "404" in (project.services().get("web", {}).get("detail") or ""))
        assert not project.service("web")["ready"]
        project.run("stop")
    assert (store.finish(up).status == 0) == ready
    assert project.service("web")["ready"] == ready
    project.run("stop")


def test_without_a_network(store):
    project = store.project(
        container("job", "exec sleep 1000", 'network = "none"')
        + container("web", SERVE), name="none")
    project.up()
    assert not project.service("job").get("port")
    port = project.service("web")["port"]
    assert project.attempt("exec", "job", "--", "sh", "-c", f"echo | nc -w 2 web {port}").status != 0
    assert "web" not in inside(project, "job", "cat /etc/hosts")
    assert inside(project, "job", "echo ${PORT-unset}").strip() == "unset"
    project.run("stop")


def test_the_hosts_network_is_shared_when_asked_for(store):
    project = store.project(container("web", SERVE, 'network = "host"'), name="shared")
    project.up()
    service = project.service("web")
    assert http.get(service["url"]).text.strip() == GREETING
    with open("/proc/self/net/tcp", encoding="utf-8") as own:
        mine = {line.split()[1] for line in own.readlines()[1:]}
    theirs = {line.split()[1] for line in inside(project, "web", "cat /proc/net/tcp").splitlines()[1:]}
    assert any(address.endswith(f":{service['port']:04X}") for address in mine & theirs)
    project.run("stop")


def test_run_has_the_network_too(store):
    project = store.project(
        container("web", SERVE, "container_port = 8000") + container("db", ECHO), name="oneoff")
    project.up()
    services = project.services()
    out = project.run("run", "web", "--", "sh", "-c",
                      f"echo $PORT; echo hi | nc -w 5 db {services['db']['port']}").out
    assert out.split() == ["8000", "hi"]
    process = project.popen("run", "web", "--", "sh", "-c", "echo ready; exec sleep 1000")
    try:
        assert process.stdout.readline() == b"ready\n"
    finally:
        process.kill()
        store.finish(process)
    project.run("stop")


def test_a_killed_relay_is_replaced(store):
    project = store.project(container("echo", ECHO) + container("web", SERVE), name="relay")
    project.up()
    service, before = project.service("echo"), store.relay_pid()
    os.kill(before, signal.SIGKILL)

    def works():
        try:
            with connect(service) as sock:
                sock.sendall(b"x\n")
                return sock.recv(10) == b"x\n"
        except OSError:
            return False

    until(works)
    assert store.relay_pid() != before
    # Each is registered with it by itself.
    until(lambda: http.get(project.service("web")["url"]).text.strip() == GREETING)
    port = project.service("echo")["port"]
    until(lambda: inside(project, "web", f"echo hi | nc -w 5 echo {port} || true").strip() == "hi")
    # Both die, and the next daemon brings both back.
    store.kill_daemon()
    os.kill(store.relay_pid(), signal.SIGKILL)
    project.status()
    until(works)
    assert project.service("echo")["pid"] == service["pid"]
    project.run("stop")


def test_a_container_that_ends_and_starts_again_keeps_its_port(store):
    project = store.project(
        container("web", SERVE, 'restart = "always"\n        stop_signal = "SIGKILL"'), name="again")
    project.up()
    service = project.service("web")
    for run in range(2, 5):
        os.kill(project.service("web")["pid"], signal.SIGKILL)
        until(lambda run=run: project.service("web")["run"] == run and project.service("web")["ready"])
        assert http.get(service["url"]).text.strip() == GREETING
        assert project.service("web")["port"] == service["port"]
    project.run("stop")
    assert project.up()["ok"]
    project.run("stop")


def test_a_taken_port_is_named(store):
    port = http.free_port()
    holder = socket.create_server(("127.0.0.1", port))
    project = store.project(container("web", SERVE, f"port = {port}"), name="taken")
    result = project.attempt("up")
    assert result.status != 0 and str(port) in result.err + result.out, str(result)
    holder.close()
    project.up()
    assert project.service("web")["port"] == port
    assert http.get(project.service("web")["url"]).text.strip() == GREETING
    project.run("stop")
