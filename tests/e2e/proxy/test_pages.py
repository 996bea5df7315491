"""What the proxy says itself: unknown hosts, services that are down, or not up yet."""

import html.parser
import http.client
import json
import socket
import threading

import pytest

from .conftest import answer, route

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def get(proxy, host, headers=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    connection.request(method, "/", headers={"Host": host, **(headers or {})})
    response = connection.getresponse()
    response.text = response.read().decode()
    connection.close()
    return response


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data):
        self.words += data


def test_unknown_host_lists_the_services(proxy):
    proxy.routes(route("web.shop.localhost", 1), route("api.shop.localhost", 0, "stopped"))
    response = get(proxy, "nope.localhost", BROWSER)
    page = Page(response.text)
    assert response.status == 404
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert page.links == [f"http://api.shop.localhost:{proxy.port}/",
                          f"http://web.shop.localhost:{proxy.port}/"]
    assert "nope.localhost" in page.words and "stopped" in page.words
    assert "script" not in page.tags


def test_programs_get_a_problem_document(proxy):
    proxy.routes(route("web.shop.localhost", 1))
    response = get(proxy, "nope.localhost", {"Accept": "*/*"})
    problem = json.loads(response.text)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.status, problem["status"], problem["title"]) == (404, 404, "Not Found")
    assert problem["services"][0]["url"] == f"http://web.shop.localhost:{proxy.port}/"


@pytest.mark.parametrize("host", [
    "evil.example", "localhost.evil.example", "web.shop.localhost.evil.example", "127.0.0.1",
    "[::1]", "evillocalhost", "192.168.0.1:80", "web.shop.localhost.com",
])
def test_foreign_names_learn_nothing(proxy, host):
    proxy.routes(route("web.shop.localhost", 1))
    for headers in (BROWSER, {}):
        response = get(proxy, host, headers)
        assert response.status == 421
        assert "shop" not in response.text and host not in response.text


@pytest.mark.parametrize("host", ["shop.test", "SHOP.test.", "shop.test:8080"])
def test_names_of_another_domain_are_served(proxy, service, host):
    proxy.routes(route("shop.test", service(answer()).port))
    assert get(proxy, host).text == "ok"


@pytest.mark.parametrize("host", ["WEB.Shop.LOCALHOST", "web.shop.localhost.", "web.shop.localhost.:1"])
def test_a_host_is_a_host_in_any_spelling(proxy, service, host):
    proxy.routes(route("web.shop.localhost", service(answer()).port))
    assert get(proxy, host).text == "ok"


def test_a_crashed_service_says_why(proxy):
    log = ["plain", "<script>alert(1)</script>", "\x1b[31mred\x1b[0m & co"]
    proxy.routes(route("web.shop.localhost", 0, "crashed", detail="exit code 1 <b>", log=log))
    response = get(proxy, "web.shop.localhost", BROWSER)
    page = Page(response.text)
    assert response.status == 502
    assert "script" not in page.tags and "b" not in page.tags
    assert "web of shop is crashed: exit code 1 <b>" in page.words
    assert "<script>alert(1)</script>" in page.words and "red" in page.words
    assert "\x1b" not in response.text
    problem = json.loads(get(proxy, "web.shop.localhost").text)
    assert (problem["state"], problem["log"]) == ("crashed", log)
    assert get(proxy, "web.shop.localhost", method="HEAD").text == ""


def test_a_port_that_refuses_is_a_502(proxy):
    with socket.socket() as taken:  # so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        proxy.routes(route("web.shop.localhost", taken.getsockname()[1]))
        response = get(proxy, "web.shop.localhost")
    assert response.status == 502
    assert "Connection refused" in json.loads(response.text)["detail"]


def test_requests_wait_for_a_service_that_starts(proxy, service):
    upstream = service(answer(b"up"))
    proxy.routes(route("web.shop.localhost", 0, "starting"))
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(get(proxy, "web.shop.localhost").text))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    while proxy.counts()["waiting"] < 5:
        pass
    counts = proxy.routes(route("web.shop.localhost", 0, "starting"))
    assert counts["waiting"] == 5 and results == []
    proxy.routes(route("web.shop.localhost", upstream.port))
    for thread in threads:
        thread.join()
    assert results == ["up"] * 5


@pytest.mark.parametrize("after, status", [
    ([route("web.shop.localhost", 0, "crashed", detail="exit code 3")], 502), ([], 404),
])
def test_waiting_ends_when_there_is_nothing_to_wait_for(proxy, after, status):
    proxy.routes(route("web.shop.localhost", 0, "starting"))
    results = []
    thread = threading.Thread(target=lambda: results.append(get(proxy, "web.shop.localhost")))
    thread.start()
    while proxy.counts()["waiting"] < 1:
        pass
    proxy.routes(*after)
    thread.join()
    assert results[0].status == status


def test_a_client_may_give_up_waiting(proxy):
    proxy.routes(route("web.shop.localhost", 0, "starting"))
    with proxy.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n")
        while proxy.counts()["waiting"] < 1:
            pass
    while proxy.counts()["waiting"] > 0:
        pass


def test_a_connection_goes_on_after_a_page(proxy, service):
    proxy.routes(route("web.shop.localhost", service(answer()).port))
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    connection.request("GET", "/", headers={"Host": "nope.localhost"})
    response = connection.getresponse()
    response.read()
    sock = connection.sock
    connection.request("GET", "/", headers={"Host": "web.shop.localhost"})
    assert connection.getresponse().read() == b"ok"
    assert connection.sock is sock
    connection.close()
