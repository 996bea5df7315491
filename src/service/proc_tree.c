#include "service/proc_tree.h"

#include "base/error.h"
#include "base/proc.h"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>

static void add_children(pid_t pid, struct proc_tree *tree)
{
	char path[96];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		cleanup_file FILE *file = NULL;
		int child;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid,
		         entry->d_name);
		file = fopen(path, "re");
		/* NOLINTNEXTLINE(cert-err34-c): the kernel writes these numbers. */
		while (file && fscanf(file, "%d", &child) == 1)
			if (tree->pids.len < PROC_TREE_MAX)
				*array_add(&tree->pids) = child;
	}
	if (tasks)
		closedir(tasks);
}

void proc_tree_read(pid_t root, struct proc_tree *ret)
{
	*array_add(&ret->pids) = root;
	for (size_t i = 0; i < ret->pids.len; i++)
		add_children(ret->pids.items[i], ret);
}

void proc_tree_release(struct proc_tree *tree)
{
	array_release(&tree->pids);
}

/* Signals through a pidfd, and only while `pid` is a child of `parent`. */
static void signal_child(pid_t pid, pid_t parent, int signo)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = proc_pidfd_open(pid, &err);
	struct proc_stat stat;

	if (pidfd >= 0 && proc_read_stat(pid, &stat, &err) == 0 && stat.ppid == parent)
		(void)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

static pid_t parent_of(pid_t pid)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct proc_stat stat;

	return proc_read_stat(pid, &stat, &err) == 0 ? stat.ppid : 0;
}

void proc_tree_kill(pid_t leader, uint64_t start_ticks)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int pidfd = leader > 0 ? proc_pidfd_open(leader, &err) : -1;
	cleanup(proc_tree_release) struct proc_tree tree = {0};
	struct proc_stat stat;

	if (pidfd < 0 || proc_read_stat(leader, &stat, &err) < 0 || stat.start_ticks != start_ticks)
		return;
	/* Stopped, it neither forks nor loses its children while we go through them. */
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGSTOP, NULL, 0);
	proc_tree_read(leader, &tree);
	for (size_t i = tree.pids.len; i-- > 1;) {
		pid_t parent = parent_of(tree.pids.items[i]);

		for (size_t j = 0; j < i; j++)
			if (tree.pids.items[j] == parent)
				signal_child(tree.pids.items[i], parent, SIGKILL);
	}
	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}
