#include "shim/command.h"

#include "base/error.h"
#include "base/str.h"
#include "shim/state.h"

#include <errno.h>
#include <sys/pidfd.h>

static int parse_signal(const char *text, struct error *err)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int64_t number;

	if (str_to_int(text, 1, NSIG - 1, &number, &ignored) == 0)
		return (int)number;
	for (int signo = 1; signo < NSIG; signo++) {
		const char *known = sigabbrev_np(signo);

		if (known && strcasecmp(known, name) == 0)
			return signo;
	}
	return error_set(err, ERR_USAGE, "`%s` is not a signal", text);
}

/* Every process: by the cgroup; else killing process 1 of a pid namespace takes all along. */
static int signal_all(const struct state *state, int signo, struct error *err)
{
	cleanup(error_release) struct error why = ERROR_INIT;
	cleanup_close int pidfd = -1;

	if (cgroup_signal(&state->cgroup, signo, &why) == 0)
		return 0;
	pidfd = state_open_process(state, err);
	if (pidfd < 0) {
		/* Nothing is left to be told. */
		error_release(err);
		return 0;
	}
	if (pidfd_send_signal(pidfd, signo, NULL, 0) < 0 && errno != ESRCH)
		return error_errno(err, errno, "kill container `%s`", state->id);
	return 0;
}

static int kill_one(int root, const char *id, int signo, bool is_all, struct error *err)
{
	cleanup(state_release) struct state state = {.dir = -1, .root = -1};
	cleanup_close int pidfd = -1;

	if (state_load(&state, root, id, err) < 0)
		return -1;
	if (is_all)
		return signal_all(&state, signo, err);
	pidfd = state_open_process(&state, err);
	if (pidfd < 0)
		return -1;
	if (pidfd_send_signal(pidfd, signo, NULL, 0) < 0)
		return error_errno(err, errno, "kill container `%s`", id);
	return 0;
}

int cmd_kill(const struct shim *shim, const struct command *self, int argc, char **argv,
             struct error *err)
{
	cleanup(strv_release) struct strv ids = STRV_INIT;
	cleanup_close int root = -1;
	bool is_all = false, is_regex = false;
	const struct option_row rows[] = {
		{"all", 'a', OPTION_FLAG, &is_all, "every process of the container"},
		{"regex", 'r', OPTION_FLAG, &is_regex, "CONTAINER is a pattern: all that match"},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err), signo;

	if (n < 0)
		return n;
	signo = n > 1 ? parse_signal(argv[1], err) : SIGTERM;
	if (signo < 0)
		return -1;
	root = state_open_root(shim->root, err);
	if (root < 0 || state_match(root, argv[0], is_regex, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.len; i++)
		if (kill_one(root, ids.items[i], signo, is_all, err) < 0)
			return -1;
	return 0;
}
