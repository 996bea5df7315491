#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "proxy/control.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cmocka.h>

struct pair {
	int fds[2];
	char packet[CONTROL_MAX_PACKET];
	int received[FD_PASS_MAX];
	size_t count;
	ssize_t len;
};

static void open_pair(struct pair *pair)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair->fds), 0);
}

static void close_pair(struct pair *pair)
{
	close(pair->fds[0]);
	close(pair->fds[1]);
	for (size_t i = 0; i < pair->count; i++)
		close(pair->received[i]);
}

static void receive(struct pair *pair)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	pair->len = fd_receive_message(pair->fds[1], pair->packet, sizeof(pair->packet),
	                               pair->received, &pair->count, &err);
	assert_true(pair->len > 0);
}

static void listeners_travel_with_their_ports(void **state)
{
	cleanup(close_pair) struct pair pair = {0};
	cleanup(error_release) struct error err = ERROR_INIT;

	open_pair(&pair);
	assert_int_equal(control_send_listen(pair.fds[0], (int[]){80, 80}, pair.fds, 2, &err), 0);
	receive(&pair);
	assert_int_equal(pair.count, 2);
	assert_memory_equal(pair.packet, "{\"op\":\"listen\",\"ports\":[80,80]}", (size_t)pair.len);
}

static void a_small_table_is_a_packet(void **state)
{
	cleanup(close_pair) struct pair pair = {0};
	cleanup(error_release) struct error err = ERROR_INIT;

	open_pair(&pair);
	assert_int_equal(control_send_routes(pair.fds[0], "{\"op\":\"routes\"}", 15, &err), 0);
	receive(&pair);
	assert_int_equal(pair.count, 0);
	assert_memory_equal(pair.packet, "{\"op\":\"routes\"}", 15);
}

static void a_large_table_is_a_memfd(void **state)
{
	cleanup(close_pair) struct pair pair = {0};
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_json json_t *table = NULL;

	strbuf_adds(&text, "{\"op\":\"routes\",\"x\":\"");
	while (text.len < CONTROL_MAX_PACKET)
		strbuf_addch(&text, 'x');
	strbuf_adds(&text, "\"}");
	open_pair(&pair);
	assert_int_equal(control_send_routes(pair.fds[0], text.buf, text.len, &err), 0);
	receive(&pair);
	assert_int_equal(pair.count, 1);
	assert_memory_equal(pair.packet, "{\"op\":\"routes\",\"memfd\":true}", (size_t)pair.len);
	table = control_read_table(pair.received[0], &err);
	assert_non_null(table);
	assert_int_equal(json_string_length(json_object_get(table, "x")), text.len - 22);
}

static void other_descriptors_are_no_table(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int memfd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	cleanup_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_null(control_read_table(null, &err));
	assert_null(control_read_table(memfd, &err));
	assert_string_equal(err.text, "the routes are not sealed");
	assert_int_equal(fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE), 0);
	assert_null(control_read_table(memfd, &err));
	assert_string_equal(err.text, "the routes have a bad size");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_travel_with_their_ports),
		cmocka_unit_test(a_small_table_is_a_packet),
		cmocka_unit_test(a_large_table_is_a_memfd),
		cmocka_unit_test(other_descriptors_are_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
