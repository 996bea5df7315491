#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "daemon/state_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

static int make_dir(void **state)
{
	*state = xstrdup("/tmp/test_state_db.XXXXXX");
	return mkdtemp(*state) ? 0 : -1;
}

static int remove_dir(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	int done = fs_remove_tree(AT_FDCWD, *state, &err);

	free(*state);
	return done;
}

static void note_project(const struct state_project *project, void *data)
{
	strbuf_addf(data, "%s|%s|%s|%s\n", project->id, project->root, project->name,
	            project->domain);
}

static void note_port(const char *owner, int port, void *data)
{
	strbuf_addf(data, "%s=%d\n", owner, port);
}

static void note_run(const struct state_run *run, void *data)
{
	strbuf_addf(data, "%s %u %s %d %d\n", run->service, run->run,
	            run->fingerprint ? run->fingerprint : "-", run->wanted, run->ready);
}

static struct state_db *open_db(const char *dir)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(dir, "state.db");
	struct state_db *db = state_db_open(path, &err);

	if (!db)
		fail_msg("%s", err.text);
	return db;
}

static void everything_is_there_after_a_restart(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct state_db *db = open_db(*state);
	bool approved = true;

	assert_int_equal(
		state_db_put_project(db, &(struct state_project){"a-1", "/a", "a", "a.localhost"},
	                             &err),
		0);
	assert_int_equal(
		state_db_put_project(db, &(struct state_project){"a-1", "/a", "a", "b.localhost"},
	                             &err),
		0);
	assert_int_equal(state_db_put_port(db, "a-1/web", 20001, &err), 0);
	assert_int_equal(state_db_put_port(db, "a-10/web", 20002, &err), 0);
	assert_int_equal(state_db_put_run(db, "a-1", &(struct state_run){"web", 1}, &err), 0);
	assert_int_equal(
		state_db_put_run(db, "a-1", &(struct state_run){"web", 2, "f", true, true}, &err),
		0);
	assert_int_equal(state_db_is_approved(db, "/a", "sha256:1", &approved, &err), 0);
	assert_false(approved);
	assert_int_equal(state_db_approve(db, "/a", "sha256:1", 1, &err), 0);
	state_db_close(db);

	db = open_db(*state);
	assert_int_equal(state_db_each_project(db, note_project, &out, &err), 0);
	assert_int_equal(state_db_each_port(db, note_port, &out, &err), 0);
	assert_int_equal(state_db_each_run(db, "a-1", note_run, &out, &err), 0);
	assert_string_equal(out.buf, "a-1|/a|a|b.localhost\na-1/web=20001\na-10/web=20002\n"
	                             "web 2 f 1 1\n");
	assert_int_equal(state_db_is_approved(db, "/a", "sha256:1", &approved, &err), 0);
	assert_true(approved);
	state_db_close(db);
}

static void a_dropped_project_takes_only_its_own(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct state_db *db = open_db(*state);

	assert_int_equal(state_db_put_port(db, "a-1/web", 20001, &err), 0);
	assert_int_equal(state_db_put_port(db, "a-10/web", 20002, &err), 0);
	assert_int_equal(state_db_put_run(db, "a-1", &(struct state_run){"web", 1}, &err), 0);
	assert_int_equal(state_db_drop_project(db, "a-1", &err), 0);
	assert_int_equal(state_db_each_port(db, note_port, &out, &err), 0);
	assert_int_equal(state_db_each_run(db, "a-1", note_run, &out, &err), 0);
	assert_string_equal(out.buf, "a-10/web=20002\n");
	state_db_close(db);
}

static void the_file_is_private(void **state)
{
	cleanup_free char *path = path_join(*state, "state.db");
	struct stat st;

	umask(0);
	state_db_close(open_db(*state));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void another_version_is_refused(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(*state, "state.db");
	sqlite3 *raw;

	state_db_close(open_db(*state));
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, "PRAGMA user_version = 99", NULL, NULL, NULL),
	                 SQLITE_OK);
	sqlite3_close(raw);
	assert_null(state_db_open(path, &err));
	assert_int_equal(err.code, ERR_DAEMON);
	assert_non_null(strstr(err.text, "another version"));
}

static void the_first_version_is_taken_over(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
	cleanup_free char *path = path_join(*state, "state.db");
	struct state_db *db;
	sqlite3 *raw;

	state_db_close(open_db(*state));
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw,
	                              "ALTER TABLE run DROP COLUMN ready;"
	                              "INSERT INTO run VALUES ('a-1', 'web', 4, 'f', 1);"
	                              "PRAGMA user_version = 1",
	                              NULL, NULL, NULL),
	                 SQLITE_OK);
	sqlite3_close(raw);
	db = open_db(*state);
	assert_int_equal(state_db_each_run(db, "a-1", note_run, &out, &err), 0);
	assert_string_equal(out.buf, "web 4 f 1 0\n");
	state_db_close(db);
}

static void a_broken_file_is_an_error(void **state)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *path = path_join(*state, "state.db");

	assert_int_equal(
		fs_write_atomic(path, "this is not a database, not at all", 34, 0600, &err), 0);
	assert_null(state_db_open(path, &err));
	assert_non_null(strstr(err.text, "not a database"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_is_there_after_a_restart, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(a_dropped_project_takes_only_its_own, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(the_file_is_private, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(another_version_is_refused, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(the_first_version_is_taken_over, make_dir,
	                                        remove_dir),
		cmocka_unit_test_setup_teardown(a_broken_file_is_an_error, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
