#include "shim/exec.h"

#include "base/str.h"
#include "shim/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#define PASSWD_MAX (1 << 20)
#define LINE_SIZE  1024

/* "name:x:UID:gid:gecos:home:shell": the home if the line is the user's. */
static bool take_line(char *line, uint32_t uid, char *home, size_t size)
{
	char *field[7], *save = line;
	char *end;
	size_t n = 0;

	while (n < ARRAY_LEN(field) && (field[n] = strsep(&save, ":")))
		n++;
	if (n < 6 || !*field[2] || strtoul(field[2], &end, 10) != uid || *end)
		return false;
	return field[5][0] == '/' && str_copy(home, size, field[5]);
}

/* A FIFO in its place must not make us wait, nor an endless file read on. */
static int open_passwd(void)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how));
}

static bool find_home(uint32_t uid, char *home, size_t size)
{
	cleanup_close int fd = open_passwd();
	char line[LINE_SIZE], chunk[4096];
	size_t len = 0, total = 0;
	ssize_t n;

	while (fd >= 0 && total < PASSWD_MAX && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		total += (size_t)n;
		for (ssize_t i = 0; i < n; i++) {
			if (chunk[i] != '\n' && len < LINE_SIZE - 1) {
				line[len++] = chunk[i];
			} else if (chunk[i] == '\n') {
				line[len] = '\0';
				len = 0;
				if (take_line(line, uid, home, size))
					return true;
			}
		}
	}
	/* The last line may lack its newline. */
	line[len] = '\0';
	return take_line(line, uid, home, size);
}

void exec_set_home(const struct plan_exec *exec)
{
	static const char prefix[] = "HOME=";
	char *home = exec->home + sizeof(prefix) - 1;

	for (char **at = exec->envp; *at; at++)
		if (str_starts(*at, prefix))
			return;
	memcpy(exec->home, prefix, sizeof(prefix));
	if (!find_home(exec->process->uid, home, PLAN_HOME_SIZE - sizeof(prefix)))
		str_copy(home, 2, "/");
	exec->envp[exec->env_len] = exec->home;
}
