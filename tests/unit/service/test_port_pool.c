#include "service/port_pool.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

static bool all_but(int port, void *data)
{
	return port != *(const int *)data;
}

static void test_keeps_gives_and_runs_out(void **state)
{
	int taken = 65534;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(port_pool_release) struct port_pool pool = {
		.first = 65534, .last = 65535, .is_free = all_but, .data = &taken};

	assert_int_equal(port_pool_take(&pool, "shop/web", &err), 65535);
	assert_int_equal(port_pool_take(&pool, "shop/web", &err), 65535);
	assert_int_equal(port_pool_take(&pool, "shop/api", &err), -1);
	assert_int_equal(err.code, EADDRINUSE);
	assert_string_equal(err.text, "no free port in 65534-65535");
	port_pool_give(&pool, "shop/nobody");
	port_pool_give(&pool, "shop/web");
	assert_int_equal(port_pool_take(&pool, "shop/api", &err), 65535);
}

static void test_restored_leases(void **state)
{
	int taken = 0;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(port_pool_release) struct port_pool pool = {
		.first = 5000, .last = 5002, .is_free = all_but, .data = &taken};

	assert_true(port_pool_restore(&pool, "a/web", 5001));
	assert_true(port_pool_restore(&pool, "a/web", 5001));
	assert_false(port_pool_restore(&pool, "b/web", 5001));
	assert_false(port_pool_restore(&pool, "b/web", 0));
	assert_false(port_pool_restore(&pool, "b/web", 65536));
	assert_true(port_pool_restore(&pool, "c/web", 8080)); /* outside the range is fine */
	assert_int_equal(port_pool_take(&pool, "a/web", &err), 5001);
	assert_int_equal(port_pool_take(&pool, "d/web", &err), 5000);
	assert_int_equal(port_pool_take(&pool, "e/web", &err), 5002);
	assert_true(port_pool_restore(&pool, "a/web", 6000)); /* moves */
	assert_int_equal(port_pool_take(&pool, "f/web", &err), 5001);
}

static void test_move_leaves_the_old_port(void **state)
{
	int taken = 0;
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(port_pool_release) struct port_pool pool = {
		.first = 5000, .last = 5001, .is_free = all_but, .data = &taken};

	assert_int_equal(port_pool_move(&pool, "a/web", &err), 5000);
	assert_int_equal(port_pool_move(&pool, "a/web", &err), 5001);
	taken = 5000;
	assert_int_equal(port_pool_move(&pool, "a/web", &err), -1);
	assert_int_equal(port_pool_take(&pool, "a/web", &err), 5001);
}

/* A port of the kernel's choice; listens when asked to. */
static int open_port(const char *address, bool listens, int *ret_port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &addr.sin_addr);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static void test_the_real_probe(void **state)
{
	static const char *const addresses[] = {"127.0.0.1", "0.0.0.0"};

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		int port, fd = open_port(addresses[i], true, &port);

		assert_false(port_probe_loopback(port, NULL));
		close(fd);
		assert_true(port_probe_loopback(port, NULL));
	}
}

static bool none_but(int port, void *data)
{
	return port == *(int *)data;
}

static void a_spread_pool_finds_every_port(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	for (int only = 5000; only < 5008; only++) {
		cleanup(port_pool_release) struct port_pool pool = {.first = 5000,
		                                                    .last = 5007,
		                                                    .is_spread = true,
		                                                    .is_free = none_but,
		                                                    .data = &only};

		assert_int_equal(port_pool_take(&pool, "shop/web", &err), only);
		assert_int_equal(port_pool_take(&pool, "shop/api", &err), -1);
	}
}

static bool all_free(int port, void *data)
{
	return true;
}

static void owners_of_a_spread_pool_begin_apart(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(port_pool_release) struct port_pool pool = {
		.first = 20000, .last = 29999, .is_spread = true, .is_free = all_free};
	int a = port_pool_take(&pool, "shop-1/web", &err);
	int b = port_pool_take(&pool, "shop-2/web", &err);

	assert_true(a >= 20000 && a <= 29999 && b >= 20000 && b <= 29999);
	assert_true(b != a && b != a + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_gives_and_runs_out),
		cmocka_unit_test(test_restored_leases),
		cmocka_unit_test(test_move_leaves_the_old_port),
		cmocka_unit_test(test_the_real_probe),
		cmocka_unit_test(a_spread_pool_finds_every_port),
		cmocka_unit_test(owners_of_a_spread_pool_begin_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
