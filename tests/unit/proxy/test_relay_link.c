#include "proxy/relay_dial.h"
#include "proxy/relay_link.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "loop/loop.h"
#include "net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#define OWNER 7

/* Two connected TCP sockets. */
static void tcp_pair(int pair[2])
{
	static const int any[] = {0};
	cleanup(error_release) struct error err = ERROR_INIT;
	struct listen_loopback listening;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd ready;

	assert_int_equal(listen_loopback(any, 1, &listening, &err), 0);
	to.sin_port = htons((uint16_t)listening.port);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair[0], (struct sockaddr *)&to, sizeof(to)), 0);
	ready = (struct pollfd){.fd = listening.ipv4, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 5000), 1);
	pair[1] = accept4(listening.ipv4, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair[1] >= 0);
	assert_int_equal(fd_set_nonblock(pair[0], true, &err), 0);
	assert_int_equal(fd_set_nonblock(pair[1], true, &err), 0);
	listen_loopback_close(&listening);
}

struct fixture {
	struct loop *loop;
	struct relay_links links;
	int client, server; /* the far ends */
	int ended;
};

static void on_end(struct relay_links *links, void *data)
{
	((struct fixture *)data)->ended++;
}

static void fixture_init(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int outside[2], inside[2];

	*f = (struct fixture){.loop = loop_new(&err)};
	f->links = (struct relay_links){.loop = f->loop, .on_end = on_end, .data = f};
	tcp_pair(outside);
	tcp_pair(inside);
	f->client = outside[0];
	f->server = inside[1];
	relay_link_start(&f->links, outside[1], inside[0], OWNER);
}

static void fixture_release(struct fixture *f)
{
	relay_links_release(&f->links);
	loop_free(f->loop);
	close_fd(&f->client);
	close_fd(&f->server);
}

static void stop(struct loop_source *source, void *data)
{
	loop_stop(data, 0);
}

static void turn(struct fixture *f)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *timer = loop_add_timer(f->loop, 1, stop, f->loop);

	assert_int_equal(loop_run(f->loop, &err), 0);
	loop_source_free(timer);
}

/* Lets the link work until `fd` has something to say: bytes read, 0 at the end, -errno. */
static ssize_t receive(struct fixture *f, int fd, void *buf, size_t size)
{
	for (int i = 0; i < 20000; i++) {
		ssize_t n = recv(fd, buf, size, MSG_DONTWAIT);

		if (n >= 0)
			return n;
		if (errno != EAGAIN)
			return -errno;
		turn(f);
	}
	fail_msg("nothing came");
	return -1;
}

static void bytes_go_both_ways(void **state)
{
	cleanup(fixture_release) struct fixture f;
	char buf[64];

	fixture_init(&f);
	assert_int_equal(send(f.client, "ask", 3, 0), 3);
	assert_int_equal(receive(&f, f.server, buf, sizeof(buf)), 3);
	assert_int_equal(send(f.server, "answer", 6, 0), 6);
	assert_int_equal(receive(&f, f.client, buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "answer", 6);
}

static void one_direction_ends_and_the_other_goes_on(void **state)
{
	cleanup(fixture_release) struct fixture f;
	char buf[64];

	fixture_init(&f);
	assert_int_equal(send(f.client, "ask", 3, 0), 3);
	shutdown(f.client, SHUT_WR);
	assert_int_equal(receive(&f, f.server, buf, sizeof(buf)), 3);
	assert_int_equal(receive(&f, f.server, buf, sizeof(buf)), 0);
	assert_int_equal(f.ended, 0);
	assert_int_equal(send(f.server, "late", 4, 0), 4);
	assert_int_equal(receive(&f, f.client, buf, sizeof(buf)), 4);
	shutdown(f.server, SHUT_WR);
	assert_int_equal(receive(&f, f.client, buf, sizeof(buf)), 0);
	assert_int_equal(f.ended, 1);
	assert_int_equal(f.links.count, 0);
}

static void a_reset_is_passed_on(void **state)
{
	cleanup(fixture_release) struct fixture f;
	char buf[64];

	fixture_init(&f);
	relay_reset(take_fd(f.server));
	assert_int_equal(receive(&f, f.client, buf, sizeof(buf)), -ECONNRESET);
	assert_int_equal(f.ended, 1);
}

/* What nobody reads is held back at the writer, not gathered here. */
static void a_slow_reader_stops_the_writer(void **state)
{
	cleanup(fixture_release) struct fixture f;
	static char chunk[65536];
	size_t sent = 0, got = 0;
	ssize_t n;

	fixture_init(&f);
	for (int quiet = 0; quiet < 50;) {
		n = send(f.client, chunk, sizeof(chunk), MSG_DONTWAIT);
		quiet = n > 0 ? 0 : quiet + 1;
		sent += n > 0 ? (size_t)n : 0;
		turn(&f);
		assert_true(sent < 64u << 20);
	}
	shutdown(f.client, SHUT_WR);
	while ((n = receive(&f, f.server, chunk, sizeof(chunk))) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
}

static void the_last_words_of_a_container_are_passed_on(void **state)
{
	cleanup(fixture_release) struct fixture f;
	char buf[64];

	fixture_init(&f);
	assert_int_equal(send(f.server, "bye", 3, 0), 3);
	close(take_fd(f.server));
	relay_links_orphan(&f.links, OWNER + 1); /* somebody else's end */
	relay_links_orphan(&f.links, OWNER);
	assert_int_equal(receive(&f, f.client, buf, sizeof(buf)), 3);
	/* The client need not close its side for the link to be over. */
	assert_int_equal(receive(&f, f.client, buf, sizeof(buf)), 0);
	assert_int_equal(f.ended, 1);
}

/* --- relay_dial --- */

struct dialled {
	int sock, calls;
};

static void on_dialled(int sock, void *data)
{
	struct dialled *dialled = data;

	dialled->sock = sock;
	dialled->calls++;
}

static struct dialled dial(struct loop *loop, int port, bool ipv6)
{
	struct fixture f = {.loop = loop};
	struct relay_dials dials = {.loop = loop};
	struct dialled dialled = {.sock = -2};

	relay_dial_start(&dials, socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
	                 port, ipv6, on_dialled, &dialled);
	for (int i = 0; i < 20000 && dialled.calls == 0; i++)
		turn(&f);
	assert_int_equal(dialled.calls, 1);
	relay_dials_release(&dials);
	return dialled;
}

static void one_socket_is_for_either_family(void **state)
{
	static const int any[] = {0};
	cleanup(error_release) struct error err = ERROR_INIT;
	struct listen_loopback listening;
	struct loop *loop = loop_new(&err);

	assert_int_equal(listen_loopback(any, 1, &listening, &err), 0);
	if (listening.ipv6 < 0)
		skip();
	close(dial(loop, listening.port, false).sock);
	close(take_fd(listening.ipv4));
	assert_int_equal(dial(loop, listening.port, false).sock, -1);
	close(dial(loop, listening.port, true).sock);
	listen_loopback_close(&listening);
	assert_int_equal(dial(loop, listening.port, true).sock, -1);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(one_direction_ends_and_the_other_goes_on),
		cmocka_unit_test(a_reset_is_passed_on),
		cmocka_unit_test(a_slow_reader_stops_the_writer),
		cmocka_unit_test(the_last_words_of_a_container_are_passed_on),
		cmocka_unit_test(one_socket_is_for_either_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
