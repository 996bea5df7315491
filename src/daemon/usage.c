#include "daemon/usage.h"

#include "base/error.h"
#include "base/proc.h"
#include "base/str.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

/* As the kernel cuts it. */
#define KEEPER_COMM "locald-keeper"
#define DEPTH_MAX   1000

static int compare_pid(const void *a, const void *b)
{
	const struct usage_process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static struct usage_process *find(struct usage *usage, pid_t pid)
{
	const struct usage_process key = {.pid = pid};

	return bsearch(&key, usage->processes.items, usage->processes.len, sizeof(key),
	               compare_pid);
}

/* The keeper above it: keepers are their own root. */
static pid_t root_of(struct usage *usage, const struct usage_process *process)
{
	for (int depth = 0; process && depth < DEPTH_MAX; depth++) {
		if (process->root)
			return process->root;
		process = find(usage, process->parent);
	}
	return 0;
}

void usage_read(struct usage *usage)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		cleanup(error_release) struct error gone = ERROR_INIT;
		struct proc_stat stat;
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || proc_read_stat(pid, &stat, &gone) < 0)
			continue;
		*array_add(&usage->processes) = (struct usage_process){
			.pid = pid,
			.parent = stat.ppid,
			.root = str_eq(stat.comm, KEEPER_COMM) ? pid : 0,
			.cpu_ticks = (int64_t)(stat.utime_ticks + stat.stime_ticks),
			.rss_pages = stat.rss_pages,
		};
	}
	if (proc)
		closedir(proc);
	array_sort(&usage->processes, compare_pid);
	array_foreach(process, &usage->processes)
		process->root = root_of(usage, process);
}

void usage_release(struct usage *usage)
{
	array_release(&usage->processes);
}

struct usage_sum usage_of(const struct usage *usage, pid_t keeper)
{
	struct usage_sum sum = {0};

	array_foreach(process, &usage->processes) {
		if (process->root != keeper || process->pid == keeper)
			continue;
		sum.cpu_ms += process->cpu_ticks * 1000 / sysconf(_SC_CLK_TCK);
		sum.memory_bytes += process->rss_pages * sysconf(_SC_PAGESIZE);
	}
	return sum;
}
