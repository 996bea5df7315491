#include "base/error.h"
#include "base/fd.h"
#include "base/fs.h"
#include "base/testing.h"
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int usage(void)
{
	fputs("usage: locald-keeper SPEC\n\n"
	      "Supervises one run of one service; started by the locald daemon.\n"
	      "Returns when it listens on its socket, and goes on in the background.\n",
	      stderr);
	return 2;
}

static int read_spec(const char *path, struct keeper_spec *ret, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "%s", path);
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return error_set(err, EPERM, "%s is not private", path);
	if (fd_read_to_end(fd, &text, KEEPER_SPEC_MAX, err) < 0 ||
	    keeper_spec_decode(text.buf, text.len, ret, err) < 0)
		return error_wrap(err, "%s", path);
	return 0;
}

/* The first three must be taken, or a log file could become somebody's standard output. */
static int fill_stdio(bool replace, struct error *err)
{
	int null = open("/dev/null", O_RDWR);

	while (null >= 0 && null < 3)
		null = dup(null);
	if (null < 0)
		return error_errno(err, errno, "/dev/null");
	for (int fd = 0; replace && fd < 3; fd++)
		if (dup2(null, fd) < 0)
			return error_errno(err, errno, "/dev/null");
	close(null);
	return 0;
}

/* Descriptors from 3 on that we were started with: of a keeper that was lost. */
static int count_passed(void)
{
	int fd = 3;

	while (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		fd++;
	return fd - 3;
}

/* Everything that can fail, up to the point where the run is ours: the spec is gone. */
static int prepare(struct keeper *keeper, const struct keeper_spec *spec, int passed,
                   const char *path, struct error *err)
{
	if (setsid() < 0)
		return error_errno(err, errno, "setsid");
	if (keeper_open(keeper, spec, passed, err) < 0)
		return -1;
	fault_point("keeper.listens");
	/* Whoever removed it has given this run up; and its environment is secret. */
	if (unlink(path) < 0)
		return error_errno(err, errno, "take %s", path);
	fault_point("keeper.has_taken_spec");
	if (chdir("/") < 0)
		return error_errno(err, errno, "/");
	return fill_stdio(true, err);
}

static int supervise(const struct keeper_spec *spec, int passed, const char *path, int report)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(error_release) struct error ignored = ERROR_INIT;
	struct keeper keeper;

	if (prepare(&keeper, spec, passed, path, &err) < 0) {
		keeper_release(&keeper);
		(void)fd_write_all(report, err.text, strlen(err.text), &ignored);
		return 1;
	}
	close(report);
	keeper_run(&keeper);
	keeper_release(&keeper);
	return 0;
}

/* Says what the keeper in the background said, if it said anything. */
static int relay(pid_t pid, int report, struct error *err)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	int status;

	if (fd_read_to_end(report, &text, 4096, err) < 0)
		return -1;
	if (text.len > 0)
		return error_set(err, ERR_FAILED, "%s", text.buf);
	/* Silence: it listens, or it died before it could speak. */
	if (waitpid(pid, &status, WNOHANG) == pid && (!WIFEXITED(status) || WEXITSTATUS(status)))
		return error_set(err, ERR_FAILED, "the keeper ended with status %#x",
		                 (unsigned int)status);
	return 0;
}

static int start(const struct keeper_spec *spec, int passed, const char *path, struct error *err)
{
	int report[2], ret = -1;
	pid_t pid;

	if (fd_pipe(report, err) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(report[0]);
		_exit(supervise(spec, passed, path, report[1]));
	}
	close(report[1]);
	if (pid < 0)
		error_errno(err, errno, "fork");
	else
		ret = relay(pid, report[0], err);
	close(report[0]);
	return ret;
}

int main(int argc, char **argv)
{
	cleanup(keeper_spec_release) struct keeper_spec spec = {0};
	cleanup(error_release) struct error err = ERROR_INIT;
	int passed = count_passed();

	if (argc != 2 || argv[1][0] == '-')
		return usage();
	if (fill_stdio(false, &err) < 0 || read_spec(argv[1], &spec, &err) < 0 ||
	    start(&spec, passed, argv[1], &err) < 0) {
		fprintf(stderr, "locald-keeper: %s\n", err.text);
		return 1;
	}
	return 0;
}
