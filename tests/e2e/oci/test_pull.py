"""image-pull against a real registry, with faults put in between."""

import base64
import json
import os
import platform
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from support.faulty_proxy import Answer, FaultyProxy, refusal
from support.registry import digest_of

from .conftest import make_tar

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NOISE = random.Random(7).randbytes(3 << 20)  # does not compress: the layer is as large
ROOTFS = make_tar({"etc/motd": b"hello\n", "noise": NOISE}, {"bin": "usr/bin"})


@pytest.fixture(scope="module")
def pushed(registry):
    """The path of an image in the registry."""
    registry.push("team/app", "v1", ROOTFS)
    return "team/app:v1"


def pull(store, host, path, **params):
    return store.job("image-pull", reference=f"{host}/{path}", **params)


def assert_nothing_named(store):
    assert store.images() == {}
    assert not any(name.startswith(".") for name in store.layers())


class Nth:
    """Counts the distinct blobs asked for: 0 is the config, 1 the layer."""

    def __init__(self):
        self.seen = []

    def __call__(self, request):
        if "/blobs/" not in request.path:
            return None
        if request.path not in self.seen:
            self.seen.append(request.path)
        return self.seen.index(request.path)


def test_an_image_is_pulled_once(store, registry, pushed):
    result = pull(store, registry.host, pushed).ok
    name = f"{registry.host}/team/app:v1"
    assert result["name"] == name and result["layers"] == 1 and result["present"] == 0
    assert result["bytes"] > len(NOISE)
    image = store.images()[name]
    assert image["cmd"] == ["sh"] and image["architecture"] == ARCHITECTURE
    (layer,) = store.layers()
    assert layer == digest_of(ROOTFS).removeprefix("sha256:")
    folder = store.path / "layers" / layer
    assert os.readlink(folder / "bin") == "usr/bin"
    assert (folder / "noise").read_bytes() == NOISE
    if os.getuid() == 0 and store.account.uid == 0:
        assert (folder / "noise").stat().st_uid != 0, "a file of a layer belongs to the host's root"
    again = pull(store, registry.host, pushed).ok
    assert again["bytes"] == 0 and again["present"] == 1 and again["digest"] == result["digest"]


def test_a_digest_names_exactly_one_image(store, registry, pushed):
    digest = pull(store, registry.host, pushed).ok["digest"]
    assert pull(store, registry.host, f"team/app@{digest}").ok["digest"] == digest
    wrong = "sha256:" + "0" * 64
    assert pull(store, registry.host, f"team/app@{wrong}").error["code"] == "not_found"


def test_the_image_for_this_machine_is_chosen(store, registry):
    ours = registry.push("multi", "ours", make_tar({"ours": b"x"}))
    theirs = registry.push("multi", "theirs", make_tar({"theirs": b"x"}))

    def descriptor(reference, architecture):
        path = "/v2/multi/manifests/" + reference.rpartition(":")[2]
        headers = {"Accept": MANIFEST}
        answer = registry._request("GET", path, headers=headers)
        return {"mediaType": MANIFEST, "digest": answer.headers["Docker-Content-Digest"],
                "size": int(answer.headers["Content-Length"]),
                "platform": {"os": "linux", "architecture": architecture}}

    for tag, first in (("all", "vax"), ("foreign", None)):
        manifests = [descriptor(theirs, "vax")]
        if first:
            manifests.append(descriptor(ours, ARCHITECTURE))
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        registry._request("PUT", f"/v2/multi/manifests/{tag}", json.dumps(index).encode(),
                          {"Content-Type": INDEX})
    result = pull(store, registry.host, "multi:all").ok
    assert result["digest"] == descriptor(ours, ARCHITECTURE)["digest"]
    (layer,) = store.layers()
    assert (store.path / "layers" / layer / "ours").exists()
    error = pull(store, registry.host, "multi:foreign").error
    assert error["code"] == "not_found" and "linux/vax" in error["text"]


@pytest.mark.parametrize("part", ["config", "layer"])
def test_a_flipped_bit_in_a_blob_is_refused(store, proxy, pushed, part):
    nth = Nth()

    def rule(request, forward):
        answer = forward()
        return answer.flipped() if nth(request) == ["config", "layer"].index(part) else answer

    proxy.rule = rule
    error = pull(store, proxy.host, pushed).error
    assert "digest mismatch" in error["text"], error
    assert_nothing_named(store)
    assert store.layers() == set()


def test_a_changed_manifest_is_refused(store, registry, proxy, pushed):
    digest = pull(store, registry.host, pushed).ok["digest"]
    store.job("image-remove", name=f"{registry.host}/{pushed}").ok

    def rule(request, forward):
        answer = forward()
        if "/manifests/" in request.path:
            answer.body = answer.body.replace(b'"schemaVersion": 2', b'"schemaVersion":  2')
        return answer

    proxy.rule = rule
    error = pull(store, proxy.host, f"team/app@{digest}").error
    assert "digest mismatch" in error["text"], error
    assert_nothing_named(store)


def test_a_layer_that_is_not_what_the_config_says_is_refused(store, registry):
    registry.push("liar", "v1", make_tar({"a": b"1"}), claim=b"something else")
    error = pull(store, registry.host, "liar:v1").error
    assert "diff id mismatch" in error["text"], error
    assert_nothing_named(store)
    assert store.layers() == set()


def test_a_layer_of_another_size_is_refused(store, proxy, pushed):
    def rule(request, forward):
        answer = forward()
        if "/manifests/" in request.path:
            manifest = json.loads(answer.body)
            manifest["layers"][0]["size"] -= 1
            answer.body = json.dumps(manifest).encode()
        return answer

    proxy.rule = rule
    error = pull(store, proxy.host, pushed).error
    assert "more bytes" in error["text"], error
    assert_nothing_named(store)


def test_a_broken_transfer_goes_on_where_it_stopped(store, proxy, pushed):
    nth, cuts = Nth(), [1 << 20, 100 << 10]

    def rule(request, forward):
        answer = forward()
        if nth(request) == 1 and cuts:
            answer.shortened(cuts.pop(0))
        return answer

    proxy.rule = rule
    result = pull(store, proxy.host, pushed).ok
    ranges = [request.range for request in proxy.requests if nth(request) == 1]
    assert ranges == [None, f"bytes={1 << 20}-", f"bytes={(1 << 20) + (100 << 10)}-"]
    assert result["bytes"] < len(NOISE) * 1.1


def test_a_server_without_ranges_sends_it_all_again(store, proxy, pushed):
    nth, cuts, whole = Nth(), [1 << 20], {}

    def rule(request, forward):
        if nth(request) != 1:
            return forward()
        if request.range is None:
            whole["body"] = forward().body
        answer = Answer(200, {}, whole["body"])
        return answer.shortened(cuts.pop(0)) if cuts else answer

    proxy.rule = rule
    assert pull(store, proxy.host, pushed).ok["layers"] == 1


def test_a_resumed_layer_that_differs_starts_over_once(store, proxy, pushed):
    nth, cuts = Nth(), [1 << 20]

    def rule(request, forward):
        answer = forward()
        if nth(request) == 1 and cuts:
            return answer.shortened(cuts.pop(0))
        if nth(request) == 1 and request.range:
            return answer.flipped(0)
        return answer

    proxy.rule = rule
    assert pull(store, proxy.host, pushed).ok["layers"] == 1
    assert [r.range for r in proxy.requests if nth(r) == 1] == [None, f"bytes={1 << 20}-", None]


@pytest.mark.timeout(60)
def test_a_server_that_always_breaks_off_is_given_up(store, proxy, pushed):
    nth = Nth()
    proxy.rule = lambda request, forward: (
        forward().shortened(10) if nth(request) == 1 else forward())
    error = pull(store, proxy.host, pushed).error
    assert error["code"] == "failed" and proxy.host in error["text"], error
    assert_nothing_named(store)


def test_a_server_error_is_tried_again(store, proxy, pushed):
    broken = {"manifests": 1, "blobs": 2}

    def rule(request, forward):
        for part in broken:
            if f"/{part}/" in request.path and broken[part]:
                broken[part] -= 1
                return refusal(503, "UNAVAILABLE")
        return forward()

    proxy.rule = rule
    assert pull(store, proxy.host, pushed).ok["layers"] == 1


@pytest.mark.timeout(60)
def test_a_server_that_only_fails_is_given_up(store, proxy, pushed):
    proxy.rule = lambda request, forward: refusal(500, "UNKNOWN")
    error = pull(store, proxy.host, pushed).error
    assert "HTTP 500" in error["text"], error
    assert len(proxy.requests) == 5


def test_a_missing_image_is_not_found(store, registry):
    error = pull(store, registry.host, "team/none:v1").error
    assert error["code"] == "not_found" and registry.host in error["text"], error


def test_no_registry_there(store):
    error = pull(store, "127.0.0.1:1", "a:b").error
    assert "127.0.0.1:1" in error["text"], error


def test_a_bad_reference(store):
    assert store.job("image-pull", reference="Not A Reference").error["code"] == "usage"


def other_name():
    """A name of this machine that does not say that it is one; for those TLS is a must."""
    name = socket.gethostname()
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(name, None)}
    except OSError:
        addresses = set()
    if name == "localhost" or not any(address.startswith("127.") for address in addresses):
        pytest.skip(f"the name of this machine, {name}, is not on loopback")
    return name


def test_plain_http_is_only_for_this_machine(store, proxy, pushed):
    error = pull(store, f"{other_name()}:{proxy.port}", pushed).error
    assert error["code"] == "failed" and "SSL" in error["text"], error
    assert proxy.requests == []


def test_https_needs_a_certificate_that_is_trusted(store, registry, pushed, tmp_path):
    name, key, certificate = other_name(), tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", key, "-out", certificate],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    proxy = FaultyProxy(registry.port, tls=context)
    try:
        host = f"{name}:{proxy.port}"
        error = pull(store, host, pushed).error
        assert "certificate" in error["text"], error
        assert proxy.requests == []
        trusted = store.write("ca.pem", certificate.read_bytes())
        assert pull(store, host, pushed, ca_file=trusted).ok["layers"] == 1
    finally:
        proxy.stop()


# ---- who we are ----


def basic(request, user, password):
    expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return request.authorization == expected


def auth_file(store, host, user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return store.write("auth.json", json.dumps({"auths": {host: {"auth": text}}}).encode())


def test_without_credentials_the_error_says_how_to_log_in(store, proxy, pushed):
    proxy.rule = lambda request, forward: refusal(
        401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="test"')
    error = pull(store, proxy.host, pushed).error
    assert "401" in error["text"] and f"login {proxy.host}" in error["hint"], error
    assert len(proxy.requests) == 1


def test_basic_credentials(store, proxy, pushed):
    def rule(request, forward):
        if basic(request, "jo", "s3cret"):
            return forward()
        return refusal(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="test"')

    proxy.rule = rule
    good = auth_file(store, proxy.host, "jo", "s3cret")
    assert pull(store, proxy.host, pushed, auth_file=good).ok["layers"] == 1
    bad = auth_file(store, proxy.host, "jo", "wr0ng")
    outcome = pull(store, proxy.host, pushed, auth_file=bad)
    assert "jo" in outcome.error["hint"]
    assert "wr0ng" not in json.dumps(outcome.events) + outcome.err


def token_rule(proxy, user=None, password=None):
    challenge = f'Bearer realm="http://{proxy.host}/token",service="reg"'

    def rule(request, forward):
        if request.path.startswith("/token"):
            assert "service=reg" in request.path, request.path
            assert "scope=repository%3Ateam%2Fapp%3Apull" in request.path, request.path
            if user and not basic(request, user, password):
                return refusal(401, "UNAUTHORIZED")
            return Answer(200, {}, b'{"token": "t0ken"}')
        if request.authorization == "Bearer t0ken":
            return forward()
        return refusal(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

    return rule


def test_a_token_for_anybody(store, proxy, pushed):
    proxy.rule = token_rule(proxy)
    assert pull(store, proxy.host, pushed).ok["layers"] == 1
    assert sum(request.path.startswith("/token") for request in proxy.requests) == 1


def test_a_token_for_credentials(store, proxy, pushed):
    proxy.rule = token_rule(proxy, "jo", "s3cret")
    good = auth_file(store, proxy.host, "jo", "s3cret")
    assert pull(store, proxy.host, pushed, auth_file=good).ok["layers"] == 1
    error = pull(store, proxy.host, "team/app:other").error
    assert "401" in error["text"], error


def test_a_redirect_gets_no_credentials(store, registry, proxy, pushed):
    elsewhere = FaultyProxy(registry.port)
    try:
        inner = token_rule(proxy)

        def rule(request, forward):
            answer = inner(request, forward)
            if "/blobs/" in request.path and answer.status == 200:
                return Answer(307, {"Location": f"http://localhost:{elsewhere.port}{request.path}"})
            return answer

        proxy.rule = rule
        assert pull(store, proxy.host, pushed).ok["layers"] == 1
        assert elsewhere.requests
        assert all(request.authorization is None for request in elsewhere.requests)
    finally:
        elsewhere.stop()


# ---- killed, removed, and other people's tools ----


def test_a_killed_pull_leaves_nothing_that_matters(store, proxy, pushed):
    nth, arrived, go_on = Nth(), threading.Event(), threading.Event()

    def rule(request, forward):
        answer = forward()
        if nth(request) == 1 and not go_on.is_set():
            arrived.set()
            go_on.wait(30)
        return answer

    proxy.rule = rule
    process = store.popen("image-pull", reference=f"{proxy.host}/{pushed}")
    assert arrived.wait(30)
    process.send_signal(signal.SIGKILL)
    with process.stdout, process.stderr:
        process.wait()
    go_on.set()
    assert_nothing_named(store)
    assert pull(store, proxy.host, pushed).ok["layers"] == 1


def test_removing_an_image_removes_what_only_it_had(store, registry, pushed):
    registry.push("other", "v1", make_tar({"other": b"x"}))
    pull(store, registry.host, pushed).ok
    pull(store, registry.host, "other:v1").ok
    assert len(store.layers()) == 2
    removed = store.job("image-remove", name=f"{registry.host}/other:v1").ok
    assert removed["layers"] == 1 and removed["blobs"] == 3 and not removed["deferred"]
    assert len(store.layers()) == 1 and len(store.blobs()) == 3
    assert store.job("image-remove", name=f"{registry.host}/other:v1").error["code"] == "not_found"


def test_skopeo_reads_our_store_and_we_read_its_archives(store, registry):
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    rootfs = store.write("root.tar", make_tar({"bin/sh": b"#!", "etc/motd": b"hello"}))
    store.job("image-import", path=rootfs, name="demo-base", cmd=["sh"], env={"A": "b"}).ok
    (layer,) = store.layers()

    def skopeo(*args):
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", *args], check=True,
                       stdout=subprocess.DEVNULL)

    remote = f"docker://{registry.host}/from-store:v1"
    skopeo("--dest-tls-verify=false", f"oci:{store.path}:demo-base", remote)
    pulled = pull(store, registry.host, "from-store:v1").ok
    assert pulled["layers"] == 1 and store.layers() == {layer}
    for kind in ("docker-archive", "oci-archive"):
        path = store.folder / f"{kind}.tar"
        skopeo("--src-tls-verify=false", remote, f"{kind}:{path}:a/b:c")
        path.chmod(0o644)
        store.job("image-import", path=str(path), name=kind).ok
        assert store.images()[kind]["cmd"] == ["sh"]
        assert store.layers() == {layer}
