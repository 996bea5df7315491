#include "base/error.h"
#include "base/fd.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>

struct record {
	struct loop *loop;
	struct loop_source *other;
	char order[16];
	int count, code;
};

static int make_loop(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct record *record = calloc(1, sizeof(*record));

	record->loop = loop_new(&err);
	*state = record;
	return record->loop ? 0 : -1;
}

static int free_loop(void **state)
{
	struct record *record = *state;

	loop_free(record->loop);
	free(record);
	return 0;
}

static void note_and_stop_at_three(struct loop_source *source, void *data)
{
	struct record *record = data;

	record->order[record->count++] = record->other == source ? 'o' : '.';
	if (record->count == 3)
		loop_stop(record->loop, 42);
}

static void timers_fire_in_order_of_time(void **state)
{
	struct record *record = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *late = loop_add_timer(record->loop, 30, note_and_stop_at_three, record);
	struct loop_source *soon = loop_add_timer(record->loop, 1, note_and_stop_at_three, record);
	struct loop_source *moved =
		loop_add_timer(record->loop, 60000, note_and_stop_at_three, record);
	struct loop_source *never = loop_add_timer(record->loop, 2, note_and_stop_at_three, record);

	record->other = moved;
	loop_timer_set(moved, 10);
	loop_timer_set(never, -1);
	/* Counted from here, so that it is last however long all of this took. */
	loop_timer_set(late, 30);
	assert_int_equal(loop_run(record->loop, &err), 42);
	assert_string_equal(record->order, ".o.");
	loop_source_free(late);
	loop_source_free(soon);
	loop_source_free(moved);
	loop_source_free(never);
}

static void free_both(struct loop_source *source, int fd, uint32_t events, void *data)
{
	struct record *record = data;

	/* The other source has an event waiting in the same batch: it must not be told. */
	record->count++;
	loop_source_free(record->other);
	loop_source_free(source);
	loop_stop(record->loop, 0);
}

static void a_freed_source_is_never_called(void **state)
{
	struct record *record = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *first;
	int a[2], b[2];

	assert_int_equal(fd_pipe(a, &err), 0);
	assert_int_equal(fd_pipe(b, &err), 0);
	assert_int_equal(write(a[1], "x", 1) + write(b[1], "x", 1), 2);
	assert_int_equal(
		loop_add_fd(record->loop, a[0], LOOP_READ, free_both, record, &first, &err), 0);
	assert_int_equal(
		loop_add_fd(record->loop, b[0], LOOP_READ, free_both, record, &record->other, &err),
		0);
	assert_int_equal(loop_run(record->loop, &err), 0);
	assert_int_equal(record->count, 1);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	/* Whichever came first freed both; `first` may be dangling and is not touched. */
}

static void on_signal(struct loop_source *source, int signo, void *data)
{
	struct record *record = data;

	record->code = signo;
	loop_stop(record->loop, 0);
}

static void signals_arrive_as_events(void **state)
{
	struct record *record = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *usr1, *usr2;

	assert_int_equal(loop_add_signal(record->loop, SIGUSR1, on_signal, record, &usr1, &err), 0);
	assert_int_equal(loop_add_signal(record->loop, SIGUSR2, on_signal, record, &usr2, &err), 0);
	raise(SIGUSR2);
	assert_int_equal(loop_run(record->loop, &err), 0);
	assert_int_equal(record->code, SIGUSR2);
	loop_source_free(usr1);
	loop_source_free(usr2);
}

static void on_child(struct loop_source *source, const siginfo_t *info, void *data)
{
	struct record *record = data;

	record->code = info->si_status;
	loop_source_free(source);
	loop_stop(record->loop, 0);
}

static void a_child_is_reaped_with_its_code(void **state)
{
	struct record *record = *state;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct loop_source *source;
	pid_t pid = fork();

	if (pid == 0)
		_exit(17);
	assert_int_equal(loop_add_child(record->loop, pid, on_child, record, &source, &err), 0);
	assert_int_equal(loop_run(record->loop, &err), 0);
	assert_int_equal(record->code, 17);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(timers_fire_in_order_of_time, make_loop, free_loop),
		cmocka_unit_test_setup_teardown(a_freed_source_is_never_called, make_loop,
	                                        free_loop),
		cmocka_unit_test_setup_teardown(signals_arrive_as_events, make_loop, free_loop),
		cmocka_unit_test_setup_teardown(a_child_is_reaped_with_its_code, make_loop,
	                                        free_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
