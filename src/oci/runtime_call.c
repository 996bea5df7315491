#include "oci/runtime_call.h"

#include "base/error.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "loop/child.h"

#include <errno.h>
#include <sys/wait.h>

#define OUTPUT_MAX 65536

int runtime_call(const char *const argv[], int fd, struct strbuf *out, int *ret_status,
                 struct error *err)
{
	struct child_fd fds[] = {{-1, fd}};
	const struct child_spec spec = {
		.path = argv[0], .argv = argv, .fds = fds, .nfds = 1, .die_with_parent = true};
	int pipe[2], result;
	pid_t pid;

	if (fd_pipe(pipe, err) < 0)
		return -1;
	fds[0].from = pipe[1];
	pid = child_spawn(&spec, err);
	close(pipe[1]);
	result = pid < 0 ? -1 : fd_read_to_end(pipe[0], out, OUTPUT_MAX, err);
	close(pipe[0]);
	while (pid > 0 && waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		continue;
	return result < 0 ? -1 : 0;
}
