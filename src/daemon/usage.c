#include "daemon/usage.h"

#include "base/error.h"
#include "base/proc.h"
#include "base/str.h"
#include "service/proc_tree.h"

#include <unistd.h>

/* As the kernel cuts it. */
#define KEEPER_COMM "locald-keeper"

static void begin(struct proc_tree *tree, pid_t keeper, pid_t program)
{
	if (keeper != program)
		proc_tree_add_children(tree, keeper, 1); /* a keeper has no threads */
	array_foreach(pid, &tree->pids)
		if (*pid == program)
			return;
	*array_add(&tree->pids) = program;
}

struct usage usage_of(pid_t keeper, pid_t program)
{
	struct proc_tree tree = {0};
	int64_t ticks = 0, pages = 0;

	begin(&tree, keeper, program);
	for (size_t i = 0; i < tree.pids.len; i++) {
		cleanup(error_release) struct error gone = ERROR_INIT;
		pid_t pid = tree.pids.items[i];
		struct proc_stat stat;

		if (proc_read_stat(pid, &stat, &gone) < 0 || str_eq(stat.comm, KEEPER_COMM))
			continue;
		ticks += (int64_t)(stat.utime_ticks + stat.stime_ticks);
		pages += stat.rss_pages;
		proc_tree_add_children(&tree, pid, stat.threads);
	}
	proc_tree_release(&tree);
	return (struct usage){
		.cpu_ms = ticks * 1000 / sysconf(_SC_CLK_TCK),
		.memory_bytes = pages * sysconf(_SC_PAGESIZE),
	};
}
