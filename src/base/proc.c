#include "base/proc.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static ssize_t read_small(const char *path, char *buf, size_t size)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	if (n < 0)
		return -1;
	buf[n] = '\0';
	return n;
}

void proc_boot_id(char out[PROC_BOOT_ID_SIZE])
{
	if (read_small("/proc/sys/kernel/random/boot_id", out, PROC_BOOT_ID_SIZE) < 0)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

int64_t proc_age_ms(uint64_t start_ticks)
{
	int64_t ticks_a_second = sysconf(_SC_CLK_TCK);

	return clock_boot_ns() / 1000000 - (int64_t)start_ticks * 1000 / ticks_a_second;
}

int proc_read_stat(pid_t pid, struct proc_stat *ret, struct error *err)
{
	char path[64], buf[1024];
	struct proc_stat stat = {0};
	char *name, *rest, *last;
	int ppid, pgrp, session, threads;
	unsigned long long utime, stime, start;
	long long rss;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_small(path, buf, sizeof(buf)) < 0)
		return error_errno(err, errno, "process %d", (int)pid);
	/* The name may hold anything, parentheses too: it ends at the last one. */
	name = strchr(buf, '(');
	rest = strrchr(buf, ')');
	last = strrchr(buf, ' ');
	if (!name || !rest || !last)
		return error_set(err, EPROTO, "%s: unexpected format", path);
	*rest = '\0';
	str_copy(stat.comm, sizeof(stat.comm), name + 1);
	/* proc(5): fields 3-6, 14, 15, 20, 22, 24, and the last. */
	if (sscanf(rest + 2,
	           "%c %d %d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %d %*d "
	           "%llu %*u %lld",
	           &stat.state, &ppid, &pgrp, &session, &utime, &stime, &threads, &start,
	           &rss) != 9)
		return error_set(err, EPROTO, "%s: unexpected format", path);
	stat.ppid = ppid;
	stat.pgrp = pgrp;
	stat.session = session;
	stat.utime_ticks = utime;
	stat.stime_ticks = stime;
	stat.start_ticks = start;
	stat.threads = threads;
	stat.rss_pages = rss;
	stat.wait_status = (int)strtol(last, NULL, 10);
	*ret = stat;
	return 0;
}

bool proc_zombie_status(pid_t pid, uint64_t start_ticks, int *ret)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_stat stat;
	char path[64], link[1];

	if (proc_read_stat(pid, &stat, &err) < 0 || stat.start_ticks != start_ticks ||
	    stat.state != 'Z')
		return false;
	/* The same right is needed for its program, and a zombie has none. */
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (readlink(path, link, sizeof(link)) >= 0 || errno != ENOENT)
		return false;
	*ret = stat.wait_status;
	return true;
}

int proc_identify(pid_t pid, struct proc_id *ret, struct error *err)
{
	struct proc_stat stat;

	if (proc_read_stat(pid, &stat, err) < 0)
		return -1;
	ret->pid = pid;
	ret->start_ticks = stat.start_ticks;
	proc_boot_id(ret->boot_id);
	return 0;
}

bool proc_is_alive(const struct proc_id *id)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	char boot_id[PROC_BOOT_ID_SIZE];
	struct proc_stat stat;

	proc_boot_id(boot_id);
	if (!str_eq(boot_id, id->boot_id) || proc_read_stat(id->pid, &stat, &err) < 0)
		return false;
	return stat.start_ticks == id->start_ticks && stat.state != 'Z' && stat.state != 'X';
}

int proc_pidfd_open(pid_t pid, struct error *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return error_errno(err, errno, "pidfd_open %d", (int)pid);
	return fd;
}

/* Bits of the signals that this process ignores; all of them where it cannot be known. */
uint64_t proc_ignored_signals(void)
{
	cleanup_close int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *line;

	if (n <= 0)
		return UINT64_MAX;
	text[n] = '\0';
	line = strstr(text, "\nSigIgn:");
	return line ? strtoull(line + strlen("\nSigIgn:"), NULL, 16) : UINT64_MAX;
}

void proc_reset_signals(void)
{
	proc_reset_signals_of(UINT64_MAX);
}

void proc_reset_signals_of(uint64_t signals)
{
	/*
	 * By system call: the C library keeps 32 and 33 to itself, and leaves them ignored in what
	 * posix_spawn(3) starts.  All zero is SIG_DFL, no flags, no mask, whatever the layout.
	 */
	const char action[64] = {0};
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		if (signals & UINT64_C(1) << (signo - 1))
			syscall(SYS_rt_sigaction, signo, action, NULL, NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
