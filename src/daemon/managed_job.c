#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "daemon/managed.h"
#include "daemon/managed_kind.h"
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX  (1u << 20)
#define VERSION_MAX 256

/* Runs a program to its end; what it says is in `said`. */
static int run_program(const struct strv *argv, struct strbuf *said, struct error *err)
{
	int ends[2], status;
	struct child_fd fds[2];
	struct child_spec spec = {
		.path = argv->items[0],
		.argv = (const char *const *)argv->items,
		.cwd = "/",
		.fds = fds,
		.nfds = ARRAY_LEN(fds),
		.die_with_parent = true,
	};
	pid_t pid;
	int r;

	if (fd_pipe(ends, err) < 0)
		return -1;
	fds[0] = (struct child_fd){ends[1], STDOUT_FILENO};
	fds[1] = (struct child_fd){ends[1], STDERR_FILENO};
	pid = child_spawn(&spec, err);
	close(ends[1]);
	r = pid < 0 ? -1 : fd_read_to_end(ends[0], said, OUTPUT_MAX, err);
	close(ends[0]);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return error_set(err, errno, "wait for %s: %s", argv->items[0],
			                 strerror(errno));
	if (r < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	while (said->len > 0 && said->buf[said->len - 1] == '\n')
		strbuf_truncate(said, said->len - 1);
	return error_set(err, ERR_FAILED, "%s failed: %s", path_base(argv->items[0]), said->buf);
}

/* The first number in a text: "postgres (PostgreSQL) 15.3 (Debian …)". */
static char *first_number(const char *text)
{
	text += strcspn(text, "0123456789");
	return xstrndup(text, strspn(text, "0123456789"));
}

static int program_version(const char *program, char **ret, struct error *err)
{
	cleanup(strbuf_release) struct strbuf said = STRBUF_INIT;
	cleanup(strv_release) struct strv argv = STRV_INIT;

	strv_add(&argv, program);
	strv_add(&argv, "--version");
	if (run_program(&argv, &said, err) < 0)
		return -1;
	*ret = first_number(said.buf);
	return 0;
}

/* Is the program the one that was asked for, and the one that made the data? */
static int check_version(const struct managed_kind *kind, const char *program, const char *wanted,
                         const char *data, struct error *err)
{
	cleanup_free char *file = path_join(data, kind->version_file);
	cleanup(strbuf_release) struct strbuf made_by = STRBUF_INIT;
	cleanup_free char *version = NULL, *made = NULL;

	if (program_version(program, &version, err) < 0)
		return -1;
	if (*wanted && !str_eq(wanted, version)) {
		error_set(err, ENOENT, "%s is version %s, and %s is asked for", program, version,
		          wanted);
		return error_hint(err,
		                  "install the version that is asked for, or change `version`");
	}
	if (!fs_exists(file))
		return 0;
	if (fs_read_file(file, VERSION_MAX, &made_by, err) < 0)
		return -1;
	made = first_number(made_by.buf);
	if (str_eq(made, version))
		return 0;
	error_set(err, ERR_FAILED, "the data was made by version %s, and %s is version %s", made,
	          program, version);
	return error_hint(err, "set version = \"%s\", or start anew with `locald service reset`",
	                  made);
}

/*
 * The data appears whole or not at all: a job that was killed leaves only the
 * folder beside it, which the next one removes.
 */
static int make_data(const struct managed_kind *kind, const struct managed_words *words,
                     struct job_output *out, struct error *err)
{
	cleanup_free char *fresh = xasprintf("%s.new", words->data);
	struct managed_words into = *words;
	cleanup(strbuf_release) struct strbuf said = STRBUF_INIT;
	cleanup(strv_release) struct strv argv = STRV_INIT;

	into.data = fresh;
	if (fs_exists(fresh) && fs_remove_tree(AT_FDCWD, fresh, err) < 0)
		return -1;
	if (fs_mkdirs_private(fresh, err) < 0)
		return -1;
	if (kind->init) {
		job_progress(out, "init", "making a new database");
		managed_fill(kind->init, &into, &argv);
		if (run_program(&argv, &said, err) < 0)
			return -1;
	}
	if (rename(fresh, words->data) < 0)
		return error_set(err, errno, "rename %s: %s", fresh, strerror(errno));
	return 0;
}

static int job_service_data(const json_t *params, struct job_output *out, struct error *err)
{
	const struct managed_kind *kind = managed_kind_named(json_get_str(params, "kind", ""));
	struct managed_words words = {0};
	cleanup_free char *parent = NULL;
	cleanup_json json_t *result = json_object();
	bool is_new;

	if (!kind)
		return error_set(err, ERR_USAGE, "no such kind of service");
	if (json_need_str(params, "program", &words.program, err) < 0 ||
	    json_need_str(params, "bin", &words.bin, err) < 0 ||
	    json_need_str(params, "data", &words.data, err) < 0 ||
	    json_need_str(params, "run", &words.run, err) < 0)
		return -1;
	parent = path_dir(words.data);
	if (fs_mkdirs_private(parent, err) < 0 || fs_mkdirs_private(words.run, err) < 0)
		return -1;
	if (kind->version_file &&
	    check_version(kind, words.program, json_get_str(params, "version", ""), words.data,
	                  err) < 0)
		return -1;
	is_new = !fs_exists(words.data);
	if (is_new && make_data(kind, &words, out, err) < 0)
		return -1;
	json_set_bool(result, "made", is_new);
	job_result(out, result);
	return 0;
}

static int job_service_reset(const json_t *params, struct job_output *out, struct error *err)
{
	cleanup_free char *old = NULL;
	const char *data;

	if (json_need_str(params, "data", &data, err) < 0)
		return -1;
	old = xasprintf("%s.old", data);
	/* Gone at once for whoever looks, however long the rest takes. */
	if (fs_exists(old) && fs_remove_tree(AT_FDCWD, old, err) < 0)
		return -1;
	if (rename(data, old) < 0 && errno != ENOENT)
		return error_set(err, errno, "rename %s: %s", data, strerror(errno));
	if (fs_exists(old) && fs_remove_tree(AT_FDCWD, old, err) < 0)
		return -1;
	job_result(out, NULL);
	return 0;
}

const struct job managed_jobs[MANAGED_JOB_COUNT] = {
	{"service-data", job_service_data, "Make the data of a database"},
	{"service-reset", job_service_reset, "Delete the data of a database"},
};
